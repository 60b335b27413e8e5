using System.Collections.Frozen;
using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy.Media;
using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>
/// Tells what kind of thing a manifest is, by what a client could do with it and never by a label alone that its author chose: what could
/// be unpacked as a file system is an image, whatever else it is, and what cannot be decided is one too.
/// </summary>
public static class ManifestKinds
{
    /// <summary>
    /// Most bytes of all layers of one manifest of evidence. Chosen: three of the largest attestations that BuildKit writes (80 MiB); each
    /// is read once to its end to see that it is a plain document.
    /// </summary>
    public const long MaxEvidenceBytes = 256L << 20;

    // What cosign, notation, buildx and SBOM tools write as layers; a manifest with any other layer is no evidence, or it could carry
    // anything past the rules.
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

    // Layers that a client unpacks beside any config type: `ctr pull --local` (containerd's images.IsLayerType), `crane export`.
    private static readonly string[] FileSystemLayers =
    [
        "application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.", "application/vnd.docker.container.image.rootfs.",
        "application/vnd.erofs.",
    ];

    // With it `oras pull` unpacks the layer, whatever its type (oras-go, content/file).
    private const string OrasUnpack = "io.deis.oras.content.unpack";

    /// <summary>The kind of this manifest.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <param name="documents">What was found of the bytes of layers; a blob that was not read is missing.</param>
    /// <param name="descendants">For an index, what is known to be below it: one that lists nothing but evidence is evidence, as the
    /// fallback tags of clients that know no referrers are.</param>
    public static ManifestKind Of(
        Manifest manifest, ImmutableDictionary<Digest, DocumentForm> documents,
        ImmutableArray<(Digest Digest, Manifest Manifest)> descendants = default) =>
        Of(manifest, documents, manifest.IsIndex ? EvidenceAmong(descendants, documents) : FrozenSet<Digest>.Empty);

    /// <summary>The same by the digests of what is known to be evidence: many indexes may be told by one set.</summary>
    internal static ManifestKind Of(
        Manifest manifest, ImmutableDictionary<Digest, DocumentForm> documents, IReadOnlySet<Digest> evidence)
    {
        if (manifest.IsIndex) return ListsEvidence(manifest, evidence) ? ManifestKind.Evidence : ManifestKind.Index;
        if (IsEvidence(manifest, documents)) return ManifestKind.Evidence;
        return MayBeImage(manifest) ? ManifestKind.Image : ManifestKind.Artifact;
    }

    /// <summary>
    /// Whether the media types are those of evidence: it may speak for another manifest, which signatures decide, and it is judged as an
    /// image all the same where its bytes are no plain documents. About something: by its subject, or in the older form, which has an
    /// image's config and is found by its tag.
    /// </summary>
    public static bool HasFormOfEvidence(Manifest manifest) =>
        manifest.Layers.Length > 0
        && manifest.Layers.All(static layer => EvidenceLayers.Contains(layer.MediaType))
        && (manifest.Subject is not null || manifest.Config?.MediaType == MediaTypes.OciConfig)
        // COSE is binary: no client reads such a layer unless the config is an image's, and Notation writes none of those.
        && !(IsImageConfig(manifest.Config?.MediaType) && manifest.Layers.Any(IsCose))
        && manifest.Layers.Aggregate(Int128.Zero, static (sum, layer) => sum + layer.Size) <= MaxEvidenceBytes;

    /// <summary>Whether a manifest could be an image, whatever its bytes turn out to be: its config is worth reading.</summary>
    public static bool MayBeImage(Manifest manifest) =>
        IsImageConfig(manifest.Config?.MediaType) || manifest.Layers.Any(IsFileSystem) || HasFormOfEvidence(manifest);

    /// <summary>Whether the bytes of some layer decide the kind, and were not read: the kind may be another when they are.</summary>
    public static bool IsUndecided(Manifest manifest, ImmutableDictionary<Digest, DocumentForm> documents) =>
        HasFormOfEvidence(manifest) && manifest.Layers.Any(layer => !documents.ContainsKey(layer.Digest));

    /// <summary>
    /// What the layers of evidence are by their media types: for samples and dry runs, where there are no bytes to look at.
    /// </summary>
    public static ImmutableDictionary<Digest, DocumentForm> Said(IEnumerable<Manifest> manifests) => manifests.Where(HasFormOfEvidence)
        .SelectMany(static m => m.Layers).DistinctBy(static l => l.Digest).ToImmutableDictionary(static l => l.Digest, FormOf);

    private static bool IsEvidence(Manifest manifest, ImmutableDictionary<Digest, DocumentForm> documents) =>
        HasFormOfEvidence(manifest) && manifest.Layers.All(layer => documents.GetValueOrDefault(layer.Digest) == FormOf(layer));

    private static DocumentForm FormOf(Descriptor layer) => IsCose(layer) ? DocumentForm.Cose : DocumentForm.Text;

    private static bool IsCose(Descriptor layer) => layer.MediaType == EvidenceTypes.Cose;

    /// <summary>The digests of those that are evidence by themselves.</summary>
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

    // No client that was tried folds case; one that does would take these for an image's too.
    private static bool IsImageConfig(string? type) =>
        string.Equals(type, MediaTypes.OciConfig, StringComparison.OrdinalIgnoreCase)
        || string.Equals(type, ArtifactTypeDefaults.DockerConfig, StringComparison.OrdinalIgnoreCase);
}
