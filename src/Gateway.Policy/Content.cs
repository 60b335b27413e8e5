using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>How bytes are packed, told by their first bytes.</summary>
public enum Packing
{
    /// <summary>Not at all, or in a way we do not know.</summary>
    None,

    /// <summary>RFC 1952: <c>1f 8b 08</c>.</summary>
    Gzip,

    /// <summary>RFC 8878: <c>28 b5 2f fd</c>, or a skippable frame before it.</summary>
    Zstd,
}

/// <summary>What is inside, told by its first bytes once unpacked.</summary>
public enum ContentForm
{
    /// <summary>None of the others.</summary>
    Other,

    /// <summary>A tar archive: a header whose check sum is right, or nothing but the zeros of an empty one.</summary>
    Tar,

    /// <summary>A JSON object, which begins with a brace.</summary>
    Json,

    /// <summary>No bytes.</summary>
    Empty,
}

/// <summary>What the bytes of a blob really are: found once for each blob, when it is committed or first asked for.</summary>
/// <param name="Packing">How they are packed.</param>
/// <param name="Form">What is inside.</param>
/// <param name="Flaw">Why they cannot be read to their end in one way only, as the end of "it is …"; null when they can.</param>
public sealed record Content(Packing Packing, ContentForm Form, string? Flaw)
{
    /// <summary>SHA-256 of the bytes once unpacked, as a config's <c>diff_ids</c> name it; empty when they cannot be unpacked.</summary>
    public Digest DiffId { get; init; }

    /// <summary>
    /// Whether they could not be read, or not in time; then the flaw says so as the end of "the blob …", and the rest nothing.
    /// </summary>
    public bool IsUnread { get; init; }

    /// <summary>
    /// Whether they are only not read yet, or cannot be had now: what they are is not known, and they may be read when asked again.
    /// </summary>
    public bool IsLater { get; init; }

    /// <summary>That they are not read yet, or cannot be had now.</summary>
    public static Content Later(string why) => Unread(why) with { IsLater = true };

    /// <summary>That they could not be read.</summary>
    public static Content Unread(string why) => new(Packing.None, ContentForm.Other, why) { IsUnread = true };
}
