using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using Gateway.Oci;
using Xunit;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests;

/// <summary>Properties of any policy and any artifact.</summary>
public sealed class PolicyPropertyTests
{
    private static readonly string[] Media =
    [
        MediaTypes.OciConfig, MediaTypes.OciEmpty, ArtifactTypeDefaults.HelmConfig, WasmConfig, "application/wasm",
        Gzip, Zstd, Chart, SimpleSigning, Bundle,
    ];

    private static readonly Gen<string> AnyType = Gen.Elements(Media);

    private static readonly Gen<Manifest> AnyManifest =
        from config in AnyType
        from layers in Gen.ListOf(AnyType, 3)
        from artifactType in Gen.OneOf(Gen.Constant<string?>(null), Gen.Elements<string?>(Media))
        from foreign in Gen.Elements(false, false, false, true)
        select Artifact(config, [.. layers]) with
        {
            ArtifactType = artifactType, Subject = foreign ? Descriptor(config, "https://a/b") : null,
        };

    private static readonly Gen<ArtifactTypeOptions> AnyTypes =
        from keys in Gen.ListOf(AnyType, 4)
        from values in Gen.ListOf(AnyType, 4)
        from extend in Gen.Elements(true, false)
        from helm in Gen.Elements(true, false)
        select Types([.. keys.Distinct().Select((key, i) => (key, values.Skip(i).ToArray()))])
            with { Extend = extend, HelmOciSupport = helm };

    private static readonly Gen<PolicyOptions> AnyPolicy =
        from types in AnyTypes
        from semantics in Gen.Elements(Enum.GetValues<ArtifactTypeSemantics>())
        from mode in Gen.Elements(Enum.GetValues<RuleMode>())
        from outcome in Gen.Elements(Outcome.Allow, Outcome.Deny)
        from repository in Gen.Elements("**", "team/*", "prod/**")
        select PolicyOf(
            types with { Semantics = semantics },
            new RuleOptions { Id = "r", Require = new() { ArtifactTypes = true }, Mode = mode, Repositories = [repository] })
            with { Default = outcome };

    private static void Holds<T>(Gen<T> cases, Func<T, bool> property) =>
        Prop.ForAll(cases.ToArbitrary(), property).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    [Fact]
    public void Same_input_has_the_same_verdict_in_any_engine() => Holds(
        from policy in AnyPolicy from manifest in AnyManifest select (policy, manifest),
        static c =>
        {
            var live = new PolicyEngine(c.policy);
            live.Evaluate(Input(Image));
            var (first, again, dry) = (
                live.Evaluate(Input(c.manifest)), live.Evaluate(Input(c.manifest)), new PolicyEngine(c.policy).Evaluate(Input(c.manifest)));
            return Same(first, again) && Same(first, dry);
        });

    // Over one list: with Quay's defaults, pairs allows the keys of the default presets too, which Quay's list lacks.
    [Fact]
    public void Content_admitted_by_pairs_is_admitted_by_the_union_of_the_same_list() => Holds(
        from types in AnyTypes.Select(static types => types with { Presets = [] })
        from manifest in AnyManifest.Where(static m => m.Config!.MediaType != MediaTypes.OciEmpty)
        select (types, manifest),
        static c =>
            !c.types.Evaluate(c.manifest).Admits
            || (c.types with { Semantics = ArtifactTypeSemantics.QuayUnion }).Evaluate(c.manifest).Admits);

    [Fact]
    public void Content_admitted_by_the_union_is_admitted_by_quay_off() => Holds(
        from types in AnyTypes from manifest in AnyManifest select (types, manifest),
        static c => !(c.types with { Semantics = ArtifactTypeSemantics.QuayUnion }).Evaluate(c.manifest).Admits
            || (c.types with { Semantics = ArtifactTypeSemantics.QuayOff }).Evaluate(c.manifest).Admits);

    [Fact]
    public void Content_admitted_by_replace_is_admitted_by_extend() => Holds(
        from types in AnyTypes from manifest in AnyManifest select (types, manifest),
        static c =>
            !(c.types with { Extend = false }).Evaluate(c.manifest).Admits || (c.types with { Extend = true }).Evaluate(c.manifest).Admits);

    [Fact]
    public void Lower_mode_has_the_same_findings() => Holds(
        from policy in AnyPolicy from manifest in AnyManifest select (policy, manifest),
        static c => Enum.GetValues<RuleMode>()
            .Select(mode => (c.policy with { Rules = [c.policy.Rules[0] with { Mode = mode }] }).Evaluate(c.manifest))
            .Select(static verdict => verdict.Reasons.Select(static reason => reason.Message).Order(StringComparer.Ordinal))
            .DistinctBy(static messages => string.Join('\n', messages)).Count() == 1);

    [Fact]
    public void Index_of_one_image_has_the_verdict_of_that_image() => Holds(
        from policy in AnyPolicy from manifest in AnyManifest select (policy, manifest),
        static c =>
            c.policy.Evaluate(c.manifest).Outcome == c.policy.Evaluate(Index(c.manifest), c.manifest).Outcome
                || KindOf(c.manifest) == ManifestKind.Evidence);

    [Fact]
    public void Every_message_is_one_short_printable_line() => Holds(
        from policy in AnyPolicy from manifest in AnyManifest select (policy, manifest),
        static c => c.policy.Evaluate(c.manifest).Reasons.All(
            static reason =>
                reason.Message.Length is > 0 and <= PolicyEngine.MaxMessage && reason.Message.All(static x => x is >= ' ' and <= '~')));

    [Fact]
    public void Revision_does_not_depend_on_the_order_of_keys() => Holds(AnyPolicy, static policy =>
    {
        var backwards = policy.ArtifactTypes!.Allowed!.WithComparers(Comparer<string>.Create(static (a, b) => string.CompareOrdinal(b, a)));
        var same = policy with { ArtifactTypes = policy.ArtifactTypes with { Allowed = backwards } };
        return new PolicyEngine(policy).Revision == new PolicyEngine(same).Revision && new PolicyEngine(policy).Revision != 0;
    });

    private static bool Same(Verdict one, Verdict other) =>
        (one.Outcome, one.Revision) == (other.Outcome, other.Revision) && one.Reasons.SequenceEqual(other.Reasons);
}
