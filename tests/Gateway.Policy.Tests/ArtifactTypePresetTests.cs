using Gateway.Oci;
using Xunit;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests;

/// <summary>The presets that a file can name, and those that apply by default.</summary>
public sealed class ArtifactTypePresetTests
{
    private const string Setting = "policy.artifactTypes.ALLOWED_OCI_ARTIFACT_TYPES";

    private static readonly ArtifactTypeOptions Defaults = new();

    private static void Admits(ArtifactTypeOptions types, params Manifest[] manifests) =>
        Assert.All(manifests, manifest => Assert.Equal(Outcome.Allow, types.Evaluate(manifest).Outcome));

    private static string Refuses(ArtifactTypeOptions types, string code, Manifest manifest)
    {
        var verdict = types.Evaluate(manifest);
        Assert.Equal((Outcome.Deny, code), (verdict.Outcome, verdict.Reasons[0].Code));
        return verdict.Reasons[0].Message;
    }

    private static readonly Manifest Attestation = Artifact(MediaTypes.OciEmpty, "application/vnd.in-toto+json") with
    {
        ArtifactType = "application/vnd.docker.attestation.manifest.v1+json", Subject = Descriptor(MediaTypes.OciManifest),
    };

    private static readonly Manifest Cache = Artifact("application/vnd.buildkit.cacheconfig.v0", Gzip, Zstd);

    private static readonly Manifest Sbom = Artifact(MediaTypes.OciEmpty, "application/spdx+json") with
    {
        ArtifactType = "application/spdx+json", Subject = Descriptor(MediaTypes.OciManifest),
    };

    private static readonly Manifest Model =
        Artifact("application/vnd.cncf.model.config.v1+json", "application/vnd.cncf.model.weight.v1.tar")
            with { ArtifactType = "application/vnd.cncf.model.manifest.v1+json" };

    private static readonly Manifest DockerModel =
        Artifact("application/vnd.docker.ai.model.config.v0.1+json", "application/vnd.docker.ai.gguf.v3");

    [Fact]
    public void Without_a_list_the_defaults_are_Quays_list_and_what_common_tools_push()
    {
        Admits(
            Defaults, CosignSignature, CosignBundle, Notation, SignedHelmChart, Attestation, Cache, Sbom,
            Artifact("application/vnd.unknown.config.v1+json", "application/vnd.cncf.openpolicyagent.policy.layer.v1+rego"));
        Refuses(Defaults, ReasonCodes.TypeConfigNotAllowed, Wasm);
        Refuses(Defaults, ReasonCodes.TypeConfigNotAllowed, Sif);
        Refuses(Defaults, ReasonCodes.TypeConfigNotAllowed, Model);
        Refuses(Defaults, ReasonCodes.TypeLayerNotAllowed, Encrypted);
    }

    [Fact]
    public void Quay_semantics_allow_only_Quays_list()
    {
        var quay = Defaults with { Semantics = ArtifactTypeSemantics.QuayUnion };
        Admits(quay, CosignSignature, HelmChart, Image);
        Refuses(quay, ReasonCodes.TypeConfigNotAllowed, CosignBundle);
        Refuses(quay, ReasonCodes.TypeConfigNotAllowed, Attestation);
        Refuses(quay, ReasonCodes.TypeConfigNotAllowed, Cache);
        Refuses(quay, ReasonCodes.TypeLayerNotAllowed, SignedHelmChart);
        Refuses(quay, ReasonCodes.TypeConfigNotAllowed, Notation);
    }

    public static TheoryData<ArtifactTypePreset, Manifest[]> Presets => new()
    {
        { ArtifactTypePreset.Images, [Image, DockerImage] },
        { ArtifactTypePreset.Helm, [HelmChart, SignedHelmChart] },
        { ArtifactTypePreset.Cosign, [CosignSignature, CosignBundle] },
        { ArtifactTypePreset.Notation, [Notation] },
        { ArtifactTypePreset.BuildKit, [Attestation, Cache, Artifact(MediaTypes.OciConfig, "application/vnd.in-toto+json")] },
        { ArtifactTypePreset.Sbom, [Sbom, Artifact(MediaTypes.OciConfig, "text/spdx+json")] },
        { ArtifactTypePreset.Encrypted, [Artifact(MediaTypes.OciConfig, Zstd + "+encrypted")] },
        { ArtifactTypePreset.Wasm, [Wasm] },
        { ArtifactTypePreset.Sif, [Sif] },
        { ArtifactTypePreset.Models, [Model, DockerModel] },
    };

    [Theory]
    [MemberData(nameof(Presets))]
    public void Preset_allows_its_own_types_and_no_others(ArtifactTypePreset preset, Manifest[] own)
    {
        var types = Defaults with { Presets = [preset] };
        Admits(types, own);
        foreach (var (other, manifests) in Presets.Select(static row => row.Data).Where(row => row.Item1 != preset))
            Assert.All(manifests, manifest => Assert.False(types.Evaluate(manifest).Admits, $"{preset} allows what is of {other}"));
        Admits(Types((WasmConfig, ["application/wasm"])) with { Presets = [preset] }, [.. own, Wasm]);
    }

    [Fact]
    public void Refusal_names_the_preset_to_add_when_presets_are_configured()
    {
        var images = Defaults with { Presets = [ArtifactTypePreset.Images] };
        Assert.EndsWith(
            "to allow it, add buildkit under policy.artifactTypes.presets",
            Refuses(images, ReasonCodes.TypeArtifactNotAllowed, Attestation), StringComparison.Ordinal);
        var unknown = Refuses(images, ReasonCodes.TypeConfigNotAllowed, Artifact("a/b", "c/d"));
        Assert.Contains($"add under {Setting}: ", unknown, StringComparison.Ordinal);
        Assert.EndsWith(
            "add images under policy.artifactTypes.presets",
            Refuses(Defaults with { Presets = [ArtifactTypePreset.Wasm] }, ReasonCodes.TypeConfigNotAllowed, DockerImage),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Presets_add_to_Quays_defaults() =>
        Admits(Defaults with { Presets = [ArtifactTypePreset.Wasm], Extend = true }, Wasm, Image, DockerImage, HelmChart, CosignSignature);
}
