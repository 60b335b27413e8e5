using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>A group of related types, by its name in <c>policy.artifactTypes.presets</c>.</summary>
public enum ArtifactTypePreset
{
    /// <summary>OCI and Docker images.</summary>
    Images,

    /// <summary>Helm charts and their provenance files.</summary>
    Helm,

    /// <summary>cosign's signatures and attestations, in every format.</summary>
    Cosign,

    /// <summary>Notation's signatures.</summary>
    Notation,

    /// <summary>BuildKit's attestations and caches.</summary>
    BuildKit,

    /// <summary>SBOMs, as cosign and ORAS attach them.</summary>
    Sbom,

    /// <summary>Encrypted layers of OCI images.</summary>
    Encrypted,

    /// <summary>WebAssembly modules.</summary>
    Wasm,

    /// <summary>Images of Singularity and Apptainer.</summary>
    Sif,

    /// <summary>AI models: ModelPack, Docker's Model Runner, KitOps.</summary>
    Models,
}

/// <summary>The types that each preset allows: the pairs that the code of the tools writes.</summary>
internal static class ArtifactTypePresets
{
    /// <summary>
    /// The presets that apply with <c>semantics: pairs</c> when the file has neither a list nor presets: what common tools push by
    /// default.
    /// </summary>
    public static ImmutableArray<ArtifactTypePreset> Default { get; } =
    [
        ArtifactTypePreset.Images, ArtifactTypePreset.Helm, ArtifactTypePreset.Cosign, ArtifactTypePreset.Notation,
        ArtifactTypePreset.BuildKit, ArtifactTypePreset.Sbom,
    ];

    private static readonly string[] SbomLayers =
    [
        "text/spdx", "text/spdx+xml", "text/spdx+json", "application/spdx+json", "application/vnd.syft+json",
        "application/vnd.cyclonedx", "application/vnd.cyclonedx+xml", "application/vnd.cyclonedx+json",
    ];

    // modelpack/model-spec, specs-go/v1/mediatype.go; docker/model-runner names single files by their format.
    private static readonly string[] ModelPackLayers =
    [
        .. from content in (string[])["weight", "weight.config", "doc", "code", "dataset"]
           from form in (string[])["raw", "tar", "tar+gzip", "tar+zstd"]
           select $"application/vnd.cncf.model.{content}.v1.{form}",
        "application/vnd.cncf.model.weight.v1.gguf", "application/vnd.cncf.model.weight.v1.safetensors",
    ];

    // docker/model-runner, pkg/distribution/types.
    private static readonly string[] DockerModelLayers =
    [
        "application/vnd.docker.ai.gguf.v3", "application/vnd.docker.ai.safetensors", "application/vnd.docker.ai.mmproj",
        "application/vnd.docker.ai.license", "application/vnd.docker.ai.vllm.config.tar",
    ];

    // kitops-ml/kitops, pkg/lib/constants/mediatype.
    private static readonly string[] KitOpsLayers =
    [
        .. from content in (string[])["model", "modelpart", "dataset", "code", "docs"]
           from form in (string[])["tar", "tar+gzip", "tar+zstd"]
           select $"application/vnd.kitops.modelkit.{content}.v1.{form}",
    ];

    /// <summary>The keys and layer types of a preset.</summary>
    public static IEnumerable<KeyValuePair<string, ImmutableArray<string>>> Entries(ArtifactTypePreset preset) =>
        Of(preset).Select(static e => KeyValuePair.Create(e.Key, e.Layers.ToImmutableArray()));

    private static (string Key, IEnumerable<string> Layers)[] Of(ArtifactTypePreset preset) => preset switch
    {
        ArtifactTypePreset.Images => [(MediaTypes.OciConfig, ArtifactTypeDefaults.OciLayers)],
        ArtifactTypePreset.Helm =>
            [(ArtifactTypeDefaults.HelmConfig, [.. ArtifactTypeDefaults.HelmLayers, "application/vnd.cncf.helm.chart.provenance.v1.prov"])],
        ArtifactTypePreset.Cosign =>
        [
            (MediaTypes.OciConfig, [EvidenceTypes.SimpleSigning, EvidenceTypes.Dsse]),
            (EvidenceTypes.Bundle, [EvidenceTypes.Bundle]),
            // With --registry-referrers-mode=oci-1-1.
            ("application/vnd.dev.cosign.artifact.sig.v1+json", [EvidenceTypes.SimpleSigning]),
        ],
        ArtifactTypePreset.Notation => [("application/vnd.cncf.notary.signature", [EvidenceTypes.Jws, EvidenceTypes.Cose])],
        ArtifactTypePreset.BuildKit =>
        [
            // Attestations up to 0.31, and as artifacts with a subject, which is the default since 0.32 (oci-artifact=true).
            (MediaTypes.OciConfig, [EvidenceTypes.InToto]),
            ("application/vnd.docker.attestation.manifest.v1+json", [EvidenceTypes.InToto]),
            ("application/vnd.buildkit.cacheconfig.v0", ArtifactTypeDefaults.OciLayers),
        ],
        ArtifactTypePreset.Sbom =>
        [
            (MediaTypes.OciConfig, SbomLayers),
            ("application/vnd.dev.cosign.artifact.sbom.v1+json", SbomLayers),
            // `oras attach --artifact-type T sbom:T`, with T the SBOM's own type, or any of these layer types.
            .. SbomLayers.Append(EvidenceTypes.InToto).Select(static type => (type, SbomLayers.Append(EvidenceTypes.InToto))),
        ],
        ArtifactTypePreset.Encrypted =>
        [
            (MediaTypes.OciConfig, ArtifactTypeDefaults.OciLayers.Where(static type => !type.Contains("nondistributable"))
                .Select(static type => $"{type}+encrypted")),
        ],
        ArtifactTypePreset.Wasm =>
        [
            ("application/vnd.wasm.config.v0+json", ["application/wasm"]),
            // The form before the CNCF's: wasm-to-oci.
            ("application/vnd.wasm.config.v1+json", ["application/vnd.wasm.content.layer.v1+wasm"]),
        ],
        ArtifactTypePreset.Sif => [("application/vnd.sylabs.sif.config.v1+json", ["application/vnd.sylabs.sif.layer.v1.sif"])],
        ArtifactTypePreset.Models =>
        [
            ("application/vnd.cncf.model.config.v1+json", ModelPackLayers),
            ("application/vnd.cncf.model.manifest.v1+json", ModelPackLayers),
            ("application/vnd.docker.ai.model.config.v0.1+json", DockerModelLayers),
            ("application/vnd.docker.ai.model.config.v0.2+json", DockerModelLayers),
            ("application/vnd.kitops.modelkit.config.v1+json", KitOpsLayers),
            ("application/vnd.kitops.modelkit.manifest.v1+json", KitOpsLayers),
        ],
        _ => throw new ArgumentOutOfRangeException(nameof(preset), preset, "no such preset"),
    };
}
