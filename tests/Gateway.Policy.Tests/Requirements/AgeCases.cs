using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Tests.Signatures;
using static Gateway.Policy.Tests.Requirements.Asking;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests.Requirements;

/// <summary>Rules for an age that counts from a proven time, and evidence with and without a time.</summary>
internal static class AgeCases
{
    public static readonly TestKey Key = TestKey.Ecdsa();
    public static readonly TestKey Second = TestKey.Ecdsa();
    public static readonly TestKey Stranger = TestKey.Ecdsa();

    public static readonly Manifest Amd = Artifact(MediaTypes.OciConfig, Gzip);
    public static readonly Manifest Arm = Artifact(MediaTypes.OciConfig, Zstd);

    public static readonly LimitOptions AtLeast3Days = new() { MinAge = TimeSpan.FromDays(3), AgeFrom = AgeStart.Attested };
    public static readonly LimitOptions AtMost10Days = new() { MaxAge = TimeSpan.FromDays(10), AgeFrom = AgeStart.Attested };

    public static RuleOptions Rule(LimitOptions limits, IndexCoverage coverage = IndexCoverage.Either, int atLeast = 1) => new()
    {
        Id = "aged",
        Require = new() { Limits = limits, Signatures = [new("release") { Coverage = coverage, AtLeast = atLeast }] },
    };

    public static PolicyEngine Engine(params RuleOptions[] rules) =>
        new(PolicyOf(null, rules) with { Trust = LoggedSignature.Trust(Key, Second) });

    public static DateTimeOffset Ago(double days) => Now.AddDays(-days);

    public static Evidence Signature(Manifest of, DateTimeOffset? logged, TestKey? key = null, DateTimeOffset? stamped = null) =>
        LoggedSignature.Of(of, key ?? Key, logged, stamped);

    public static PolicyInput Having(PolicyInput input, params (Manifest Subject, Evidence Evidence)[] evidence) =>
        input.With(facts => facts with
        {
            Evidence = evidence.GroupBy(static e => DigestOf(e.Subject))
                .ToImmutableDictionary(static e => e.Key, static e => e.Select(static one => one.Evidence).ToImmutableArray()),
        });

    public static Verdict Pull(RuleOptions rule, params Evidence[] evidence) =>
        Engine(rule).Evaluate(Having(Question(Image).At(Stage.Pull), [.. evidence.Select(static one => (Image, one))]));
}
