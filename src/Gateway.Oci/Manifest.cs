using System.Collections.Immutable;

namespace Gateway.Oci;

/// <summary>
/// A manifest or an index, as read from its bytes by <see cref="ManifestReader"/>. The bytes themselves are what is stored and served.
/// </summary>
/// <param name="MediaType">One of the four types of <see cref="MediaTypes.IsManifest"/>: the body's own word, or what its form makes
/// it.</param>
public sealed record Manifest(string MediaType)
{
    /// <summary>Whether the document is an index (or Docker's list).</summary>
    public bool IsIndex => MediaTypes.IsIndex(MediaType);

    /// <summary>The document's <c>artifactType</c>, where it has one.</summary>
    public string? ArtifactType { get; init; }

    /// <summary>The config; null for an index.</summary>
    public Descriptor? Config { get; init; }

    /// <summary>The layers; empty for an index.</summary>
    public ImmutableArray<Descriptor> Layers { get; init; } = [];

    /// <summary>The children of an index; empty for a manifest.</summary>
    public ImmutableArray<Descriptor> Children { get; init; } = [];

    /// <summary>The manifest that this one refers to, where it does.</summary>
    public Descriptor? Subject { get; init; }

    /// <summary>The document's annotations.</summary>
    public ImmutableSortedDictionary<string, string> Annotations { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>
    /// What the referrers API says of it: <c>artifactType</c>, else the config's media type (distribution-spec, "Listing Referrers").
    /// </summary>
    public string? ReferrerType => string.IsNullOrEmpty(ArtifactType) ? Config?.MediaType : ArtifactType;

    /// <summary>Config and layers: the blobs that the document names.</summary>
    public IEnumerable<Descriptor> Blobs => Config is null ? Layers : Layers.Prepend(Config);

    /// <summary>These, and what an index names that is no manifest: BuildKit's cache of a build names its layers so.</summary>
    public IEnumerable<Descriptor> AllBlobs => Blobs.Concat(Children.Where(c => !MediaTypes.IsManifest(c.MediaType)));
}
