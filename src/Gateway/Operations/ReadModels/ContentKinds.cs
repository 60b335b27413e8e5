using Gateway.Policy.Signatures;

namespace Gateway.Operations.ReadModels;

/// <summary>The kind of some content, for people.</summary>
/// <param name="Key">One word for filters and icons, such as <c>image</c> or <c>chart</c>.</param>
/// <param name="Word">The words of the pages, such as <c>Helm chart</c>.</param>
public sealed record ContentKind(string Key, string Word);

/// <summary>
/// Names the kind of a manifest by its media types, for display only. Rules use <c>ManifestKinds</c>, which trusts no label.
/// </summary>
internal static class ContentKinds
{
    private static readonly ContentKind Image = new("image", "Image");
    private static readonly ContentKind Encrypted = new("encrypted", "Encrypted image");
    private static readonly ContentKind Index = new("index", "Multi-platform image");
    private static readonly ContentKind Chart = new("chart", "Helm chart");
    private static readonly ContentKind Sif = new("sif", "SIF image");
    private static readonly ContentKind Wasm = new("wasm", "WASM module");
    private static readonly ContentKind Signature = new("signature", "Signature");
    private static readonly ContentKind Attestation = new("attestation", "Attestation");
    private static readonly ContentKind Sbom = new("sbom", "SBOM");
    private static readonly ContentKind Model = new("model", "AI model");
    private static readonly ContentKind Cache = new("cache", "Build cache");
    private static readonly ContentKind Artifact = new("artifact", "Artifact");

    /// <summary>Every kind, in the order of the filter.</summary>
    public static IReadOnlyList<ContentKind> All { get; } =
        [Image, Index, Encrypted, Chart, Sif, Wasm, Model, Signature, Attestation, Sbom, Cache, Artifact];

    // Annotation of a bundle that cosign 3 writes; its value is the predicate type.
    private const string BundlePredicate = "dev.sigstore.bundle.predicateType";

    /// <param name="tag">The tag under which it is shown: older clients say only there what an index of evidence is.</param>
    public static ContentKind Of(Manifest manifest, TagName? tag = null)
    {
        if (manifest.IsIndex)
            return tag is { } named && EvidenceTag.Parse(named) is not null ? Signature
                : manifest.Children.Any(static c => c.MediaType.Contains("buildkit.cacheconfig", StringComparison.Ordinal)) ? Cache
                : Index;
        var (artifact, config) = (manifest.ArtifactType ?? "", manifest.Config?.MediaType ?? "");
        return OfTypes(artifact, config)
            ?? manifest.Layers.Select(layer => OfLayer(layer.MediaType, manifest)).FirstOrDefault(static kind => kind is not null)
            ?? (IsImage(config) ? Image : Artifact);
    }

    private static ContentKind? OfTypes(string artifact, string config) => (artifact, config) switch
    {
        (_, "application/vnd.cncf.helm.config.v1+json") => Chart,
        (_, "application/vnd.sylabs.sif.config.v1+json") => Sif,
        (_, "application/vnd.wasm.config.v0+json" or "application/vnd.wasm.config.v1+json") => Wasm,
        (_, "application/vnd.buildkit.cacheconfig.v0") => Cache,
        ("application/vnd.dev.cosign.artifact.sig.v1+json" or "application/vnd.cncf.notary.signature", _) => Signature,
        (_, "application/vnd.cncf.notary.signature") => Signature,
        ("application/vnd.dev.cosign.artifact.sbom.v1+json", _) => Sbom,
        ("application/vnd.docker.attestation.manifest.v1+json", _) => Attestation,
        _ when IsModel(artifact) || IsModel(config) => Model,
        _ => null,
    };

    private static ContentKind? OfLayer(string type, Manifest manifest)
    {
        if (type.EndsWith("+encrypted", StringComparison.Ordinal)) return Encrypted;
        if (type == EvidenceTypes.SimpleSigning || EvidenceTypes.IsNotation(type)) return Signature;
        if (EvidenceTypes.IsBundle(type))
            return manifest.Annotations.GetValueOrDefault(BundlePredicate, EvidenceTypes.SignPredicate) == EvidenceTypes.SignPredicate
                ? Signature : Attestation;
        if (IsSbom(type)) return Sbom;
        if (type is EvidenceTypes.Dsse or EvidenceTypes.InToto) return Attestation;
        return type.StartsWith("application/vnd.sylabs.sif", StringComparison.Ordinal) ? Sif : type == "application/wasm" ? Wasm : null;
    }

    /// <summary>Whether a layer of this type is an SBOM.</summary>
    public static bool IsSbom(string type) =>
        type.Contains("spdx", StringComparison.Ordinal) || type.Contains("cyclonedx", StringComparison.Ordinal)
        || type.Contains("syft", StringComparison.Ordinal);

    private static bool IsImage(string config) =>
        config is MediaTypes.OciConfig or "application/vnd.docker.container.image.v1+json";

    private static bool IsModel(string type) =>
        type.StartsWith("application/vnd.cncf.model.", StringComparison.Ordinal)
        || type.StartsWith("application/vnd.docker.ai.", StringComparison.Ordinal)
        || type.StartsWith("application/vnd.kitops.", StringComparison.Ordinal);
}
