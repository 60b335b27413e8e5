using System.Collections.Immutable;

namespace Gateway.Registry;

/// <summary>The query parameters that we know, checked. Unknown ones are ignored: clients add their own (crane's <c>origin</c>).</summary>
internal sealed record TargetQuery
{
    /// <summary>Most tags of one push (distribution-spec, end-7b: at least 10); more are 414.</summary>
    public const int MaxTags = 10;

    public static readonly TargetQuery Empty = new();

    /// <summary><c>n</c>: how many entries are wanted; null when not sent, already cut to <see cref="Paging.MaxCount"/>.</summary>
    public int? Count { get; init; }

    /// <summary><c>last</c>: the entry after which the page begins.</summary>
    public string? Last { get; init; }

    /// <summary><c>ns</c>: lower-case <c>host[:port]</c>; a lookup key, never a dial target.</summary>
    public string? Namespace { get; init; }

    public Digest Digest { get; init; }

    public Digest Mount { get; init; }

    /// <summary><c>from</c>; <c>default</c> for what is no name, and null when not sent.</summary>
    public RepositoryName? From { get; init; }

    /// <summary>Each <c>tag</c>, in the order sent, each once.</summary>
    public ImmutableArray<TagName> Tags { get; init; } = [];

    public string? ArtifactType { get; init; }

    public DigestAlgorithm? Algorithm { get; init; }
}
