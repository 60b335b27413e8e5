using System.Collections.Immutable;

namespace Gateway.Oci;

/// <summary>Media type, digest and size of some content, and what is said about it (image-spec, descriptor.md).</summary>
/// <param name="MediaType">The content's type, a token of RFC 6838 without parameters.</param>
/// <param name="Digest">The content's digest.</param>
/// <param name="Size">The content's length in bytes, 0 to 2^53-1.</param>
public sealed record Descriptor(string MediaType, Digest Digest, long Size)
{
    /// <summary>
    /// Type of the artifact a manifest descriptor points to, where said. Never used for decisions: the manifest's own word is.
    /// </summary>
    public string? ArtifactType { get; init; }

    /// <summary>Other places of the content; never fetched by us.</summary>
    public ImmutableArray<string> Urls { get; init; } = [];

    /// <summary>Key-value pairs said about the content.</summary>
    public ImmutableSortedDictionary<string, string> Annotations { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>The platform of an index's entry, where said.</summary>
    public Platform? Platform { get; init; }
}

/// <summary>What an index's entry runs on (image-spec, image-index.md).</summary>
/// <param name="Os">Operating system, in Go's names.</param>
/// <param name="Architecture">Processor, in Go's names.</param>
/// <param name="Variant">Variant of the processor, where said.</param>
public sealed record Platform(string Os, string Architecture, string? Variant);
