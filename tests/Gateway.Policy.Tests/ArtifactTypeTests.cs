using Gateway.Oci;
using Xunit;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests;

/// <summary>The allowlist in its three semantics, and the messages of its refusals.</summary>
public sealed class ArtifactTypeTests
{
    private const string Setting = "policy.artifactTypes.ALLOWED_OCI_ARTIFACT_TYPES";

    private static readonly ArtifactTypeOptions Defaults = new();
    private static readonly ArtifactTypeOptions Nothing = Types();

    private static void Admits(ArtifactTypeOptions types, params Manifest[] manifests) =>
        Assert.All(manifests, manifest => Assert.Equal(Outcome.Allow, types.Evaluate(manifest).Outcome));

    private static string Refuses(ArtifactTypeOptions types, string code, Manifest manifest, params Manifest[] descendants)
    {
        var verdict = types.Evaluate(manifest, descendants);
        Assert.Equal(Outcome.Deny, verdict.Outcome);
        Assert.False(verdict.Admits);
        Assert.Equal(code, verdict.Reasons[0].Code);
        return verdict.Reasons[0].Message;
    }

    public static TheoryData<ArtifactTypeSemantics> Semantics => [.. Enum.GetValues<ArtifactTypeSemantics>()];

    [Theory]
    [MemberData(nameof(Semantics))]
    public void Images_and_charts_need_no_entry(ArtifactTypeSemantics semantics) =>
        Admits(Nothing with { Semantics = semantics }, Image, DockerImage, HelmChart, Artifact(MediaTypes.OciConfig), Index(Image));

    [Fact]
    public void Configured_list_replaces_the_defaults_unless_it_extends_them()
    {
        var own = Types((WasmConfig, ["application/wasm"]));
        Admits(own, Wasm, Image, HelmChart);
        Refuses(own, ReasonCodes.TypeLayerNotAllowed, CosignSignature);
        Admits(own with { Extend = true }, Wasm, CosignSignature);
        Admits(Types((MediaTypes.OciConfig, [Gzip + "+encrypted"])) with { Extend = true }, Encrypted, CosignSignature);
    }

    [Fact]
    public void Pair_semantics_require_each_layer_type_under_its_own_config_type()
    {
        var types = Types((WasmConfig, ["application/wasm"]), (SifConfig, [SifLayer]));
        Refuses(types, ReasonCodes.TypeLayerNotAllowed, Artifact(WasmConfig, SifLayer));
        Refuses(types, ReasonCodes.TypeLayerNotAllowed, Artifact(WasmConfig, "application/wasm", Gzip));
        Refuses(types, ReasonCodes.TypeLayerNotAllowed, Artifact(ArtifactTypeDefaults.HelmConfig, Gzip));
        Refuses(types, ReasonCodes.TypeLayerNotAllowed, Artifact(MediaTypes.OciConfig, "application/wasm"));
        Refuses(types, ReasonCodes.TypeConfigNotAllowed, Artifact("application/evil", Gzip));
    }

    [Fact]
    public void Quay_union_allows_any_listed_config_with_any_listed_layer()
    {
        var types = Types((WasmConfig, ["application/wasm"]), (SifConfig, [SifLayer])) with { Semantics = ArtifactTypeSemantics.QuayUnion };
        Admits(
            types, Artifact(WasmConfig, SifLayer, Gzip), Artifact(ArtifactTypeDefaults.HelmConfig, "application/wasm"),
            Artifact(MediaTypes.OciConfig, Chart));
        Admits(types, Artifact(WasmConfig) with { ArtifactType = "application/evil" }, Index() with { ArtifactType = "application/evil" });
        Refuses(types, ReasonCodes.TypeConfigNotAllowed, Artifact("application/evil", Gzip));
        Refuses(types, ReasonCodes.TypeLayerNotAllowed, Artifact(WasmConfig, "application/evil"));
        Refuses(types, ReasonCodes.ChildDenied, Index(Sif, CosignSignature), Sif, CosignSignature);
    }

    [Fact]
    public void Quay_off_checks_only_docker_schema_2()
    {
        var types = Nothing with { Semantics = ArtifactTypeSemantics.QuayOff };
        Admits(types, Wasm, CosignBundle, Artifact("a/b", "c/d") with { ArtifactType = "e/f" });
        Refuses(types, ReasonCodes.TypeLayerNotAllowed, DockerImage with { Layers = [Descriptor("application/wasm")] });
    }

    [Fact]
    public void Artifact_type_is_the_key_when_the_config_is_empty()
    {
        Admits(Types((Bundle, [Bundle])), CosignBundle);
        Refuses(Types((MediaTypes.OciEmpty, [Bundle])), ReasonCodes.TypeArtifactNotAllowed, CosignBundle);
        Refuses(Types((Bundle, [])), ReasonCodes.TypeLayerNotAllowed, CosignBundle);
        Refuses(Types((Bundle, [Bundle])), ReasonCodes.TypeConfigNotAllowed, CosignBundle with { ArtifactType = null });
    }

    [Fact]
    public void Artifact_type_in_addition_to_a_config_must_be_a_key_too()
    {
        var both = Wasm with { ArtifactType = "application/evil" };
        Refuses(Types((WasmConfig, ["application/wasm"])), ReasonCodes.TypeArtifactNotAllowed, both);
        Refuses(Types(("application/evil", ["application/wasm"])), ReasonCodes.TypeConfigNotAllowed, both);
        Admits(Types((WasmConfig, ["application/wasm"]), ("application/evil", [])), both);
        Admits(Types((WasmConfig, ["application/wasm"])), Wasm with { ArtifactType = WasmConfig });
    }

    [Fact]
    public void Artifact_type_of_an_index_must_be_a_key()
    {
        var index = Index(Image) with { ArtifactType = WasmConfig };
        Refuses(Defaults, ReasonCodes.TypeArtifactNotAllowed, index, Image);
        Admits(Types((WasmConfig, [])), index);
    }

    [Fact]
    public void Types_are_compared_exactly() =>
        Refuses(Types((WasmConfig, ["application/wasm"])), ReasonCodes.TypeLayerNotAllowed, Artifact(WasmConfig, "application/WASM"));

    [Theory]
    [MemberData(nameof(Semantics))]
    public void Docker_schema_2_allows_only_its_fixed_types(ArtifactTypeSemantics semantics)
    {
        var types = Types((ArtifactTypeDefaults.DockerConfig, [Gzip]), (WasmConfig, [DockerLayer])) with { Semantics = semantics };
        Refuses(types, ReasonCodes.TypeLayerNotAllowed, DockerImage with { Layers = [Descriptor(Gzip)] });
        Refuses(types, ReasonCodes.TypeConfigNotAllowed, DockerImage with { Config = Descriptor(WasmConfig) });
        Refuses(types, ReasonCodes.TypeArtifactNotAllowed, DockerImage with { ArtifactType = WasmConfig });
        Admits(types, DockerImage with { Layers = [Descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")] });
    }

    [Fact]
    public void Without_general_oci_support_only_pushes_of_oci_documents_are_refused()
    {
        var types = Defaults with { GeneralOciSupport = false };
        Assert.Contains("FEATURE_GENERAL_OCI_SUPPORT", Refuses(types, ReasonCodes.TypeArtifactNotAllowed, Image), StringComparison.Ordinal);
        Refuses(types, ReasonCodes.TypeArtifactNotAllowed, HelmChart);
        Refuses(types, ReasonCodes.TypeArtifactNotAllowed, Index());
        Refuses(types with { Semantics = ArtifactTypeSemantics.QuayOff }, ReasonCodes.TypeArtifactNotAllowed, Image);
        Admits(types, DockerImage, new Manifest(MediaTypes.DockerList));
        var engine = new PolicyEngine(PolicyOf(types));
        Assert.All([Stage.Pull, Stage.ProxyFetch], stage => Assert.True(engine.Evaluate(Input(Image) with { Stage = stage }).Admits));
    }

    [Fact]
    public void Charts_are_refused_when_helm_is_switched_off()
    {
        var message = Refuses(Defaults with { HelmOciSupport = false }, ReasonCodes.TypeConfigNotAllowed, HelmChart);
        Assert.EndsWith("to allow it, set policy.artifactTypes.FEATURE_HELM_OCI_SUPPORT to true", message, StringComparison.Ordinal);
        Refuses(
            Defaults with { HelmOciSupport = false, Semantics = ArtifactTypeSemantics.QuayUnion }, ReasonCodes.TypeConfigNotAllowed,
            HelmChart);
        Admits(Types((ArtifactTypeDefaults.HelmConfig, [Chart])) with { HelmOciSupport = false }, HelmChart);
    }

    [Fact]
    public void Refusal_names_the_entry_to_add()
    {
        Assert.Equal(
            $"policy rule 'artifactTypes': config type {WasmConfig} is not allowed in team/app; to allow it, add under {Setting}: \"{WasmConfig}: [application/wasm]\"",
            Refuses(Nothing, ReasonCodes.TypeConfigNotAllowed, Wasm));
        Assert.Equal(
            $"policy rule 'artifactTypes': artifact type {Bundle} is not allowed in team/app; to allow it, add under {Setting}: \"{Bundle}: [{Bundle}]\"",
            Refuses(Nothing, ReasonCodes.TypeArtifactNotAllowed, CosignBundle));
        Assert.Equal(
            $"policy rule 'artifactTypes': layer type {SimpleSigning} is not allowed with {MediaTypes.OciConfig} in team/app; "
            + $"to allow it, add under {Setting}: \"{MediaTypes.OciConfig}: [{SimpleSigning}]\"",
            Refuses(Nothing, ReasonCodes.TypeLayerNotAllowed, CosignSignature));
    }

    [Fact]
    public void Refusal_extends_the_existing_list() => Assert.EndsWith(
        $"to allow it, add to the list of {SifConfig} under {Setting}: \"{SifLayer}\"",
        Refuses(Types((SifConfig, [])), ReasonCodes.TypeLayerNotAllowed, Sif),
        StringComparison.Ordinal);

    [Fact]
    public void Refusal_without_a_configured_list_keeps_the_defaults() => Assert.EndsWith(
        $"to allow it, set merge: extend and add under {Setting}: \"{WasmConfig}: [application/wasm]\"",
        Refuses(Defaults, ReasonCodes.TypeConfigNotAllowed, Wasm),
        StringComparison.Ordinal);

    public static TheoryData<string, ArtifactTypeSemantics> Refused => new(
        from name in Known.Keys
        from semantics in new[] { ArtifactTypeSemantics.Pairs, ArtifactTypeSemantics.QuayUnion }
        select (name, semantics));

    private static readonly Dictionary<string, Manifest> Known = new()
    {
        ["cosign 2"] = CosignSignature,
        ["cosign 3"] = CosignBundle,
        ["signed chart"] = SignedHelmChart,
        ["sif"] = Sif,
        ["wasm"] = Wasm,
        ["encrypted"] = Encrypted,
        ["notation"] = Notation,
        ["oras"] = OrasFile,
        ["two keys"] = Wasm with { ArtifactType = "application/other" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Following_the_fix_once_admits_the_artifact(string name, ArtifactTypeSemantics semantics)
    {
        var types = Nothing with { Semantics = semantics };
        var verdict = types.Evaluate(Known[name]);
        if (verdict.Admits) return; // the union lets some in through other keys
        Admits(Follow(verdict.Reasons[0].Message) with { Semantics = semantics }, Known[name]);
    }

    // The text in quotes after the setting's name, as YAML.
    private static ArtifactTypeOptions Follow(string message)
    {
        var advice = message[(message.IndexOf(Setting, StringComparison.Ordinal) + Setting.Length)..];
        return Types([.. advice.Split('"').Where(static (_, i) => i % 2 == 1).Select(PolicyPage.Entry)]);
    }

    [Fact]
    public void Message_with_long_names_still_contains_the_fix()
    {
        var engine = new PolicyEngine(PolicyOf(Nothing));
        var repository = RepositoryName.Parse(new string('r', 255));
        var message = engine.Evaluate(Input(CosignBundle) with { Repository = repository }).Reasons[0].Message;
        Assert.EndsWith($"\"{Bundle}: [{Bundle}]\"", message, StringComparison.Ordinal);
        var longType = "application/" + new string('x', 127);
        message = engine.Evaluate(Input(Artifact(longType, longType)) with { Repository = repository }).Reasons[0].Message;
        Assert.Equal(PolicyEngine.MaxMessage, message.Length);
        Assert.EndsWith("...", message, StringComparison.Ordinal);
    }
}
