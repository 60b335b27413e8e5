using System.Collections.Immutable;

namespace Gateway.Oci;

/// <summary>A manifest or an index, as <see cref="ManifestReader"/> read it. The gateway stores and serves the original bytes.</summary>
/// <param name="MediaType">One of the four types of <see cref="MediaTypes.IsManifest"/>: the one in the body, otherwise the one that the
/// fields imply.</param>
public sealed record Manifest(string MediaType)
{
    /// <summary>Whether the document is an index (or Docker's list).</summary>
    public bool IsIndex => MediaTypes.IsIndex(MediaType);

    /// <summary>The document's <c>artifactType</c>; null when absent.</summary>
    public string? ArtifactType { get; init; }

    /// <summary>The config; null for an index.</summary>
    public Descriptor? Config { get; init; }

    /// <summary>The layers; empty for an index.</summary>
    public ImmutableArray<Descriptor> Layers { get; init; } = [];

    /// <summary>The children of an index; empty for a manifest.</summary>
    public ImmutableArray<Descriptor> Children { get; init; } = [];

    /// <summary>The manifest that this one refers to; null when absent.</summary>
    public Descriptor? Subject { get; init; }

    /// <summary>The document's annotations.</summary>
    public ImmutableSortedDictionary<string, string> Annotations { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>
    /// The artifact type in the referrers API: <c>artifactType</c>, otherwise the config's media type (distribution-spec, "Listing
    /// Referrers").
    /// </summary>
    public string? ReferrerType => string.IsNullOrEmpty(ArtifactType) ? Config?.MediaType : ArtifactType;

    /// <summary>The description of this document in the referrers API (distribution-spec, "Listing Referrers").</summary>
    /// <param name="size">Bytes of the document.</param>
    public Descriptor AsReferrer(Digest digest, long size) =>
        new(MediaType, digest, size) { ArtifactType = ReferrerType, Annotations = Annotations };

    /// <summary>Config and layers: the blobs that the document names.</summary>
    public IEnumerable<Descriptor> Blobs => Config is null ? Layers : Layers.Prepend(Config);

    /// <summary>The same, and the entries of an index that are not manifests: BuildKit lists the layers of a build cache so.</summary>
    public IEnumerable<Descriptor> AllBlobs => Blobs.Concat(Children.Where(c => !MediaTypes.IsManifest(c.MediaType)));
}
