using System.Collections.Immutable;

namespace Gateway.Oci;

/// <summary>Media type, digest and size of some content, with optional metadata (image-spec, descriptor.md).</summary>
/// <param name="MediaType">The content's type, a token of RFC 6838 without parameters.</param>
/// <param name="Size">The content's length in bytes, 0 to 2^53-1.</param>
public sealed record Descriptor(string MediaType, Digest Digest, long Size)
{
    /// <summary>
    /// Artifact type of the manifest that the descriptor points to; null when absent. Never used for decisions: the manifest's own field
    /// is.
    /// </summary>
    public string? ArtifactType { get; init; }

    /// <summary>Other locations of the content. The gateway never fetches them.</summary>
    public ImmutableArray<string> Urls { get; init; } = [];

    /// <summary>Annotations of the content.</summary>
    public ImmutableSortedDictionary<string, string> Annotations { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>The platform of an index entry; null when absent.</summary>
    public Platform? Platform { get; init; }
}

/// <summary>The platform that an index entry runs on (image-spec, image-index.md).</summary>
/// <param name="Os">Operating system, by the names of Go.</param>
/// <param name="Architecture">Processor, by the names of Go.</param>
/// <param name="Variant">Variant of the processor; null when absent.</param>
public sealed record Platform(string Os, string Architecture, string? Variant);
