using System.Collections.Frozen;
using Gateway.Policy.Media;
using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>
/// Decides the kind of a manifest by what a client could do with it, never only by a label that its author chose. Everything that could be
/// unpacked as a file system is an image, and so is everything that cannot be decided.
/// </summary>
public static class ManifestKinds
{
    /// <summary>
    /// Most bytes of all layers of one evidence manifest. Chosen: three of the largest attestations that BuildKit writes (80 MiB). Each
    /// layer is read once to its end to check that it is a plain document.
    /// </summary>
    public const long MaxEvidenceBytes = 256L << 20;

    // The layers that cosign, notation, buildx and SBOM tools write. A manifest with any other layer is not evidence; otherwise it could
    // carry any content past the rules.
    private static readonly FrozenSet<string> EvidenceLayers = new[]
    {
        EvidenceTypes.SimpleSigning,
        EvidenceTypes.Dsse,
        EvidenceTypes.Bundle,
        EvidenceTypes.InToto,
        EvidenceTypes.Jws,
        EvidenceTypes.Cose,
        "text/spdx",
        "text/spdx+xml",
        "text/spdx+json",
        "application/spdx+json",
        "application/vnd.syft+json",
        "application/vnd.cyclonedx",
        "application/vnd.cyclonedx+xml",
        "application/vnd.cyclonedx+json",
    }.ToFrozenSet(StringComparer.Ordinal);

    // Layers that a client unpacks with any config type: `ctr pull --local` (containerd's images.IsLayerType), `crane export`.
    private static readonly string[] FileSystemLayers =
    [
        "application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.", "application/vnd.docker.container.image.rootfs.",
        "application/vnd.erofs.",
    ];

    // With this annotation `oras pull` unpacks the layer, whatever its type (oras-go, content/file).
    private const string OrasUnpack = "io.deis.oras.content.unpack";

    /// <summary>The kind of this manifest.</summary>
    /// <param name="documents">What the bytes of the layers are; a blob that was not read is missing.</param>
    /// <param name="descendants">For an index, the known manifests below it. An index that lists only evidence is evidence, such as the
    /// fallback tags of clients without the referrers API.</param>
    public static ManifestKind Of(
        Manifest manifest, ImmutableDictionary<Digest, DocumentForm> documents,
        ImmutableArray<(Digest Digest, Manifest Manifest)> descendants = default) =>
        Of(manifest, documents, manifest.IsIndex ? EvidenceAmong(descendants, documents) : FrozenSet<Digest>.Empty);

    /// <summary>The same, with the digests of the known evidence: one set serves many indexes.</summary>
    internal static ManifestKind Of(
        Manifest manifest, ImmutableDictionary<Digest, DocumentForm> documents, IReadOnlySet<Digest> evidence)
    {
        if (manifest.IsIndex) return ListsEvidence(manifest, evidence) ? ManifestKind.Evidence : ManifestKind.Index;
        if (IsEvidence(manifest, documents)) return ManifestKind.Evidence;
        return MayBeImage(manifest) ? ManifestKind.Image : ManifestKind.Artifact;
    }

    /// <summary>
    /// Whether the media types are those of evidence. Signatures decide whether it counts for another manifest, and it is evaluated as an
    /// image if its bytes are not plain documents. Evidence is about its subject, or in the older form, with the config of an image, about
    /// the digest in its tag.
    /// </summary>
    public static bool HasFormOfEvidence(Manifest manifest) =>
        manifest.Layers.Length > 0
        && manifest.Layers.All(static layer => EvidenceLayers.Contains(layer.MediaType))
        && (manifest.Subject is not null || manifest.Config?.MediaType == MediaTypes.OciConfig)
        // COSE is binary. No client reads such a layer unless the config is an image's, and Notation does not write those.
        && !(IsImageConfig(manifest.Config?.MediaType) && manifest.Layers.Any(IsCose))
        && manifest.Layers.Aggregate(Int128.Zero, static (sum, layer) => sum + layer.Size) <= MaxEvidenceBytes;

    /// <summary>Whether a manifest could be an image, whatever its bytes are: then its config is worth reading.</summary>
    public static bool MayBeImage(Manifest manifest) =>
        IsImageConfig(manifest.Config?.MediaType) || manifest.Layers.Any(IsFileSystem) || HasFormOfEvidence(manifest);

    /// <summary>Whether the kind depends on the bytes of a layer that was not read: it can change when they are.</summary>
    public static bool IsUndecided(Manifest manifest, ImmutableDictionary<Digest, DocumentForm> documents) =>
        HasFormOfEvidence(manifest) && manifest.Layers.Any(layer => !documents.ContainsKey(layer.Digest));

    /// <summary>What the layers of evidence are by their media types: for samples and dry runs, which have no bytes.</summary>
    public static ImmutableDictionary<Digest, DocumentForm> Said(IEnumerable<Manifest> manifests) => manifests.Where(HasFormOfEvidence)
        .SelectMany(static m => m.Layers).DistinctBy(static l => l.Digest).ToImmutableDictionary(static l => l.Digest, FormOf);

    private static bool IsEvidence(Manifest manifest, ImmutableDictionary<Digest, DocumentForm> documents) =>
        HasFormOfEvidence(manifest) && manifest.Layers.All(layer => documents.GetValueOrDefault(layer.Digest) == FormOf(layer));

    private static DocumentForm FormOf(Descriptor layer) => IsCose(layer) ? DocumentForm.Cose : DocumentForm.Text;

    private static bool IsCose(Descriptor layer) => layer.MediaType == EvidenceTypes.Cose;

    /// <summary>The digests of the manifests that are evidence by themselves.</summary>
    internal static IReadOnlySet<Digest> EvidenceAmong(
        ImmutableArray<(Digest Digest, Manifest Manifest)> manifests, ImmutableDictionary<Digest, DocumentForm> documents) =>
        manifests.IsDefaultOrEmpty
            ? FrozenSet<Digest>.Empty
            : manifests.Where(d => IsEvidence(d.Manifest, documents)).Select(static d => d.Digest).ToHashSet();

    private static bool ListsEvidence(Manifest index, IReadOnlySet<Digest> evidence) =>
        evidence.Count > 0 && !index.Children.IsEmpty && index.Children.All(child => evidence.Contains(child.Digest));

    private static bool IsFileSystem(Descriptor layer) =>
        FileSystemLayers.Any(prefix => layer.MediaType.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
        || layer.Annotations.ContainsKey(OrasUnpack);

    // No tested client folds case. A client that does would take these for image types too.
    private static bool IsImageConfig(string? type) =>
        string.Equals(type, MediaTypes.OciConfig, StringComparison.OrdinalIgnoreCase)
        || string.Equals(type, ArtifactTypeDefaults.DockerConfig, StringComparison.OrdinalIgnoreCase);
}
