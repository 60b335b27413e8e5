using System.Collections.Frozen;
using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>
/// Tells what kind of thing a manifest is, by its structure and never by its tag: an image that is named like a signature is an image.
/// </summary>
public static class ManifestKinds
{
    // What cosign, notation, buildx and SBOM tools write as layers; a manifest with any other layer is no evidence, or it could carry
    // anything past the rules.
    private static readonly FrozenSet<string> EvidenceLayers = new[]
    {
        "application/vnd.dev.cosign.simplesigning.v1+json",
        "application/vnd.dsse.envelope.v1+json",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
        "application/vnd.in-toto+json",
        "application/jose+json",
        "application/cose",
        "text/spdx",
        "text/spdx+xml",
        "text/spdx+json",
        "application/spdx+json",
        "application/vnd.syft+json",
        "application/vnd.cyclonedx",
        "application/vnd.cyclonedx+xml",
        "application/vnd.cyclonedx+json",
    }.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>The kind of this manifest.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <param name="descendants">For an index, what is known to be below it: one that lists nothing but evidence is evidence, as the
    /// fallback tags of clients that know no referrers are.</param>
    public static ManifestKind Of(Manifest manifest, ImmutableArray<(Digest Digest, Manifest Manifest)> descendants = default) =>
        Of(manifest, manifest.IsIndex ? EvidenceAmong(descendants) : FrozenSet<Digest>.Empty);

    /// <summary>The same by the digests of what is known to be evidence: many indexes may be told by one set.</summary>
    internal static ManifestKind Of(Manifest manifest, IReadOnlySet<Digest> evidence)
    {
        if (manifest.IsIndex) return ListsEvidence(manifest, evidence) ? ManifestKind.Evidence : ManifestKind.Index;
        if (IsEvidence(manifest)) return ManifestKind.Evidence;
        return IsImageConfig(manifest.Config?.MediaType) ? ManifestKind.Image : ManifestKind.Artifact;
    }

    // About something: by its subject, or in the older form, which has an image's config and is found by its tag.
    private static bool IsEvidence(Manifest manifest) =>
        manifest.Layers.Length > 0
        && manifest.Layers.All(static layer => EvidenceLayers.Contains(layer.MediaType))
        && (manifest.Subject is not null || manifest.Config?.MediaType == MediaTypes.OciConfig);

    /// <summary>The digests of those that are evidence by themselves.</summary>
    internal static IReadOnlySet<Digest> EvidenceAmong(ImmutableArray<(Digest Digest, Manifest Manifest)> manifests) =>
        manifests.IsDefaultOrEmpty
            ? FrozenSet<Digest>.Empty
            : manifests.Where(static d => IsEvidence(d.Manifest)).Select(static d => d.Digest).ToHashSet();

    private static bool ListsEvidence(Manifest index, IReadOnlySet<Digest> evidence) =>
        evidence.Count > 0 && !index.Children.IsEmpty && index.Children.All(child => evidence.Contains(child.Digest));

    private static bool IsImageConfig(string? type) => type is MediaTypes.OciConfig or ArtifactTypeDefaults.DockerConfig;
}
