using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using Gateway.Oci;
using Gateway.Policy.Tests.Requirements;
using Gateway.Policy.Tests.Signatures;
using Xunit;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests;

/// <summary>Properties of any rules, whatever they require.</summary>
public sealed class RulePropertyTests
{
    private static readonly TestKey Key = TestKey.Ecdsa();

    private static readonly Manifest Amd = Artifact(MediaTypes.OciConfig, Gzip);
    private static readonly Manifest Both = Index(Amd, Image);

    private static readonly RequireOptions[] Requirements =
    [
        new() { ArtifactTypes = true },
        new() { Signatures = [new("release")] },
        new() { Attestations = [new(Forge.Slsa, "release")] },
        new() { Platforms = new() { MustInclude = ["linux/amd64"] } },
        new() { Platforms = new() { OnlyOs = ["linux"] } },
        new() { Annotations = ImmutableSortedDictionary<string, TextCondition>.Empty.Add("a", new(TextComparison.Glob, "x*")) },
        new() { Limits = new() { MaxLayers = 1 } },
        new() { Limits = new() { MinAge = TimeSpan.FromDays(2) } },
        new() { Limits = new() { MaxAge = TimeSpan.FromDays(4), MaxTotalBytes = 100 } },
        new() { Signatures = [new("release")], Limits = new() { MinAge = TimeSpan.FromDays(2), AgeFrom = AgeStart.Attested } },
        new() { Signatures = [new("release")], Limits = new() { MaxAge = TimeSpan.FromDays(4), AgeFrom = AgeStart.Attested } },
        new() { TagMutability = TagMutability.Immutable },
        new() { TagMutability = TagMutability.MonotonicSemver },
        new() { TruthfulMedia = [MediaClaim.Gzip, MediaClaim.Tar], LayerDigestCheck = true },
    ];

    private static readonly Manifest[] Manifests = [Image, Amd, Both, HelmChart, Wasm, CosignSignature, CosignBundle];

    // Signed once: a log takes longer than the rest of an evaluation. Without an age there is no log.
    private static readonly Dictionary<(Manifest, int), Gateway.Policy.Signatures.Evidence> Signatures = (
        from manifest in Manifests from age in Enumerable.Range(0, 6) select (manifest, age)).ToDictionary(
            static one => one, static one => LoggedSignature.Of(one.manifest, Key, one.age == 0 ? null : Asking.Now.AddDays(-one.age)));

    private static readonly Gen<RuleOptions> AnyRule =
        from require in Gen.Elements(Requirements)
        from mode in Gen.Elements(Enum.GetValues<RuleMode>())
        from missing in Gen.Elements(Enum.GetValues<OnMissing>())
        from repository in Gen.Elements("**", "team/*", "prod/**")
        from tags in Gen.Elements<string[]>([], ["v*"], ["latest"])
        from kinds in Gen.Elements<ManifestKind[]>(
            [ManifestKind.Image, ManifestKind.Index, ManifestKind.Artifact], [ManifestKind.Image], [ManifestKind.Evidence])
        select new RuleOptions
        {
            Id = "", Require = require, Mode = mode, OnMissing = missing, Repositories = [repository], IncludeTags = [.. tags],
            Kinds = [.. kinds],
        };

    private static readonly Gateway.Policy.Signatures.TrustOptions Trust = LoggedSignature.Trust(Key);

    private static readonly Gen<PolicyOptions> AnyPolicy =
        from rules in AnyRule.ListOf()
        from otherwise in Gen.Elements(Outcome.Allow, Outcome.Deny)
        from exception in Gen.Elements<int?>(null, 0, 1)
        select PolicyOf(Types(), [.. rules.Take(5).Select(static (rule, i) => rule with { Id = $"r{i}" })]) with
        {
            Default = otherwise, Trust = Trust, Exceptions = exception is { } i
                ? [new() { Id = "e", Rule = $"r{i}", Repositories = ["team/**"], Until = Asking.Now.AddDays(1), By = "a", Reason = "b" }]
                : [],
        };

    private static readonly Gen<PolicyInput> AnyInput =
        from manifest in Gen.Elements(Manifests)
        from tag in Gen.Elements<string?>(null, "v1", "latest", TagTests.Signature)
        from stage in Gen.Elements(Enum.GetValues<Stage>())
        from age in Gen.Choose(0, 5)
        from isSigned in Gen.Elements(true, false)
        from isBound in Gen.Elements(true, false)
        from os in Gen.Elements("linux", "windows")
        select new PolicyInput(
            RepositoryName.Parse("team/app"), tag is null ? null : TagName.Parse(tag), stage, DigestOf(manifest), manifest,
            manifest == Both ? [(DigestOf(Amd), Amd), (DigestOf(Image), Image)] : [])
        {
            Now = Asking.Now, Facts = Facts(manifest, age, isSigned, isBound, os), Documents = ManifestKinds.Said([manifest, Amd, Image]),
        };

    private static PolicyFacts Facts(Manifest manifest, int age, bool isSigned, bool isBound, string os) => new()
    {
        FirstSeen = ImmutableDictionary<Digest, DateTimeOffset>.Empty.Add(DigestOf(manifest), Asking.Now.AddDays(-age)),
        Configs = ImmutableDictionary<Digest, ImageConfig>.Empty.Add(DigestOf(manifest), Asking.Runs(os, "amd64")),
        TagHistory = isBound ? [new(DigestOf(Sif), Sif)] : [],
        Evidence = isSigned
            ? ImmutableDictionary<Digest, ImmutableArray<Gateway.Policy.Signatures.Evidence>>.Empty.Add(
                DigestOf(manifest), [Signatures[(manifest, age)]])
            : ImmutableDictionary<Digest, ImmutableArray<Gateway.Policy.Signatures.Evidence>>.Empty,
    };

    private static readonly Gen<(PolicyOptions Policy, PolicyInput Input)> Cases =
        from policy in AnyPolicy from input in AnyInput select (policy, input);

    private static void Holds<T>(Gen<T> cases, Func<T, bool> property) =>
        Prop.ForAll(cases.ToArbitrary(), property).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    [Fact]
    public void Dry_run_has_the_verdict_of_the_live_engine_after_any_earlier_evaluation() => Holds(
        from c in Cases from before in AnyInput select (c.Policy, c.Input, before),
        static c =>
        {
            var live = new PolicyEngine(c.Policy);
            live.Evaluate(c.before);
            return Same(live.Evaluate(c.Input), new PolicyEngine(c.Policy).Evaluate(c.Input));
        });

    [Fact]
    public void Mode_changes_only_the_effective_outcome() => Holds(Cases, static c =>
    {
        var verdicts = Enum.GetValues<RuleMode>().Select(mode =>
            new PolicyEngine(c.Policy with { Rules = [.. c.Policy.Rules.Select(rule => rule with { Mode = mode })] })
                .Evaluate(c.Input)).ToArray();
        return verdicts.All(verdict => verdict.BeforeModes == verdicts[0].BeforeModes
            && Found(verdict) == Found(verdicts[0])
            && verdict.Evidence.SequenceEqual(verdicts[0].Evidence)
            && verdict.Until == verdicts[0].Until)
            && verdicts[0].Outcome >= verdicts[1].Outcome && verdicts[1].Outcome >= verdicts[2].Outcome;
    });

    // A policy that denies by default admits what a rule matches: there, adding the first rule can admit more.
    [Fact]
    public void Adding_a_rule_never_admits_more() => Holds(
        from c in Cases.Where(static c => c.Policy.Default == Outcome.Allow) from more in AnyRule select (c.Policy, c.Input, more),
        static c =>
        {
            var wider = c.Policy with { Rules = c.Policy.Rules.Add(c.more with { Id = "more" }) };
            // The type list applies everywhere until a rule requires it somewhere.
            if (c.more.Require.ArtifactTypes) wider = wider with { ArtifactTypes = null };
            var before = (c.more.Require.ArtifactTypes ? c.Policy with { ArtifactTypes = null } : c.Policy);
            return new PolicyEngine(wider).Evaluate(c.Input).Outcome >= new PolicyEngine(before).Evaluate(c.Input).Outcome;
        });

    [Fact]
    public void Outcome_does_not_depend_on_the_order_of_rules() => Holds(Cases, static c =>
    {
        var (one, other) = (
            new PolicyEngine(c.Policy).Evaluate(c.Input),
            new PolicyEngine(c.Policy with { Rules = [.. c.Policy.Rules.Reverse()] }).Evaluate(c.Input));
        return (one.Outcome, one.BeforeModes, one.Until, one.OfBinding, one.CouldBeMended)
            == (other.Outcome, other.BeforeModes, other.Until, other.OfBinding, other.CouldBeMended);
    });

    [Fact]
    public void Rule_that_does_not_match_changes_nothing() => Holds(
        from c in Cases.Where(static c => c.Policy.Default == Outcome.Allow) from more in AnyRule select (c.Policy, c.Input, more),
        static c =>
        {
            var elsewhere = c.more with
            {
                Id = "more", Repositories = ["elsewhere/**"], Require = new() { Limits = new() { MaxLayers = 0 } },
            };
            var wider = c.Policy with { Rules = c.Policy.Rules.Add(elsewhere) };
            var (with, without) = (new PolicyEngine(wider).Evaluate(c.Input), new PolicyEngine(c.Policy).Evaluate(c.Input));
            return with.Outcome == without.Outcome && Found(with) == Found(without);
        });

    [Fact]
    public void Facts_that_no_rule_needs_change_nothing() => Holds(Cases, static c =>
    {
        var engine = new PolicyEngine(c.Policy);
        var needs = engine.Needs(c.Input with { Facts = PolicyFacts.None });
        var (all, none) = (c.Input.Facts, PolicyFacts.None);
        var asked = new PolicyFacts
        {
            FirstSeen = needs.HasFlag(FactKinds.FirstSeen) ? all.FirstSeen : none.FirstSeen,
            Configs = needs.HasFlag(FactKinds.Configs) ? all.Configs : none.Configs,
            Evidence = needs.HasFlag(FactKinds.Evidence) ? all.Evidence : none.Evidence,
            TagHistory = needs.HasFlag(FactKinds.TagHistory) ? all.TagHistory : none.TagHistory,
        };
        return Same(engine.Evaluate(c.Input), engine.Evaluate(c.Input with { Facts = asked }));
    });

    [Fact]
    public void Verdict_does_not_change_before_the_end_of_its_validity() => Holds(
        from c in Cases from share in Gen.Choose(0, 99) select (c.Policy, c.Input, share),
        static c =>
        {
            var engine = new PolicyEngine(c.Policy);
            var now = engine.Evaluate(c.Input);
            var wait = now.Until is { } until ? (until - c.Input.Now) * (c.share / 100.0) : TimeSpan.FromDays(c.share);
            return engine.Evaluate(c.Input with { Now = c.Input.Now + wait }).Outcome == now.Outcome;
        });

    [Fact]
    public void Verdict_that_does_not_depend_on_the_tag_is_the_same_under_every_tag() => Holds(
        from c in Cases from tag in Gen.Elements("v1", "latest", "other") select (c.Policy, c.Input, tag),
        static c =>
        {
            var engine = new PolicyEngine(c.Policy);
            var one = engine.Evaluate(c.Input);
            return one.OfBinding || engine.Evaluate(c.Input with { Tag = TagName.Parse(c.tag) }).Outcome == one.Outcome;
        });

    private static string Found(Verdict verdict) => string.Join('\n', verdict.Rules.Select(
        static rule =>
            $"{rule.Id} {rule.Outcome} {string.Join(',', rule.Reasons.Select(static reason => $"{reason.Code} {reason.Message}"))}"));

    private static bool Same(Verdict one, Verdict other) =>
        (one.Outcome, one.BeforeModes, one.Revision, one.Until, one.OfBinding, one.CouldBeMended)
            == (other.Outcome, other.BeforeModes, other.Revision, other.Until, other.OfBinding, other.CouldBeMended)
        && one.Reasons.SequenceEqual(other.Reasons) && one.Evidence.SequenceEqual(other.Evidence)
        && one.ExceptionsUsed.SequenceEqual(other.ExceptionsUsed) && Found(one) == Found(other);
}
