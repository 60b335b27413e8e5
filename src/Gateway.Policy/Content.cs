namespace Gateway.Policy;

/// <summary>How bytes are compressed, by their first bytes.</summary>
public enum Packing
{
    /// <summary>Not compressed, or in an unknown way.</summary>
    None,

    /// <summary>RFC 1952: <c>1f 8b 08</c>.</summary>
    Gzip,

    /// <summary>RFC 8878: <c>28 b5 2f fd</c>, or a skippable frame before it.</summary>
    Zstd,
}

/// <summary>What the decompressed bytes are, by their first bytes.</summary>
public enum ContentForm
{
    /// <summary>None of the others.</summary>
    Other,

    /// <summary>A tar archive: a header with a correct checksum, or only the zeros of an empty archive.</summary>
    Tar,

    /// <summary>A JSON object: it starts with a brace.</summary>
    Json,

    /// <summary>No bytes.</summary>
    Empty,
}

/// <summary>What the bytes of a blob are. Determined once for each blob, when it is committed or first needed.</summary>
/// <param name="Flaw">Why clients could read the bytes differently, as the end of "it is …"; null when they cannot.</param>
public sealed record Content(Packing Packing, ContentForm Form, string? Flaw)
{
    /// <summary>
    /// SHA-256 of the decompressed bytes, as the <c>diff_ids</c> of a config name it; empty when they cannot be decompressed.
    /// </summary>
    public Digest DiffId { get; init; }

    /// <summary>
    /// Whether the bytes could not be read, or not in time. Then the flaw says so as the end of "the blob …", and the other fields say
    /// nothing.
    /// </summary>
    public bool IsUnread { get; init; }

    /// <summary>
    /// Whether the bytes are not read yet, or are unavailable now. What they are is unknown, and a later evaluation can read them.
    /// </summary>
    public bool IsLater { get; init; }

    /// <summary>The result for bytes that are not read yet, or are unavailable now.</summary>
    public static Content Later(string why) => Unread(why) with { IsLater = true };

    /// <summary>The result for bytes that could not be read.</summary>
    public static Content Unread(string why) => new(Packing.None, ContentForm.Other, why) { IsUnread = true };
}
