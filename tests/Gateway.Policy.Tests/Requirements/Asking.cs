using System.Collections.Immutable;
using Gateway.Oci;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests.Requirements;

/// <summary>Evaluates one requirement in one rule for one manifest.</summary>
internal static class Asking
{
    public static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    public static Verdict Ask(this RequireOptions require, PolicyInput input, Func<RuleOptions, RuleOptions>? change = null)
    {
        var rule = new RuleOptions { Id = "r", Require = require };
        return new PolicyEngine(PolicyOf(null, change is null ? rule : change(rule))).Evaluate(input);
    }

    public static PolicyInput Question(Manifest manifest, params Manifest[] descendants) => Input(manifest, descendants) with { Now = Now };

    public static PolicyInput By(this PolicyInput input, string tag, Stage stage = Stage.Push) =>
        input with { Tag = TagName.Parse(tag), Stage = stage };

    public static PolicyInput At(this PolicyInput input, Stage stage) => input with { Stage = stage };

    public static PolicyInput With(this PolicyInput input, Func<PolicyFacts, PolicyFacts> change) =>
        input with { Facts = change(input.Facts) };

    public static PolicyInput WithConfigs(this PolicyInput input, params (Manifest Image, ImageConfig Config)[] configs) =>
        input.With(facts => facts with { Configs = configs.ToImmutableDictionary(c => DigestOf(c.Image), c => c.Config) });

    public static string[] Codes(this Verdict verdict) => [.. verdict.Reasons.Select(static reason => reason.Code)];

    public static ImageConfig Runs(string os, string architecture, string? variant = null) => new(os, architecture, variant);
}
