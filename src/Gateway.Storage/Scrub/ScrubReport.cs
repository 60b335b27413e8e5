using System.Text.Json.Serialization;

namespace Gateway.Storage;

/// <summary>What a scrub is asked for.</summary>
/// <param name="BytesPerSecond">The largest number of bytes that are read in a second.</param>
/// <param name="Cursor">Where an earlier scrub was cut off (<see cref="ScrubProgress.Cursor"/>); null for the beginning.</param>
public sealed record ScrubRequest(long BytesPerSecond, string? Cursor);

/// <summary>What a scrub does now.</summary>
/// <param name="Done">Bytes or repositories.</param>
/// <param name="Total">Their number; null when it is not known.</param>
/// <param name="Cursor">Where to continue; null outside the reading of content.</param>
public readonly record struct ScrubProgress(string Step, long Done, long? Total, string Unit, string? Cursor);

/// <summary>A manifest that needs damaged content, with the tags that are bound to it.</summary>
public sealed record NeedingManifest(string Repository, string Digest, IReadOnlyList<string> Tags);

/// <summary>Content whose bytes do not have their digest, or cannot be read.</summary>
/// <param name="Root"><c>pushed</c>, <c>cached</c> or <c>staged</c>.</param>
/// <param name="Why">One sentence.</param>
/// <param name="IsHealed">
/// Whether whole bytes are in place again: from memory, from another root, or from an upstream that gave them before or gets the push.
/// </param>
/// <param name="NeededBy">The manifests that need it, at most 100. None for cached content: it is fetched again.</param>
public sealed record DamagedContent(
    string Root, string Digest, long Bytes, string Why, bool IsHealed, IReadOnlyList<NeedingManifest> NeededBy)
{
    /// <summary>Why it is not healed: one sentence; null when it is.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? WhyNotHealed { get; init; }
}

/// <summary>The result of a scrub.</summary>
/// <param name="Contents">Blobs and manifests that were read since the start, or since the cursor.</param>
/// <param name="Bytes">Bytes that were read.</param>
/// <param name="Damaged">Damaged content: found now, or set aside earlier; at most <see cref="MaxListed"/>.</param>
/// <param name="Problems">Links and tags that lead to nothing, and wrong sizes; at most <see cref="MaxListed"/>.</param>
/// <param name="Unlisted">How many more of both there are.</param>
public sealed record ScrubReport(
    long Contents, long Bytes, IReadOnlyList<DamagedContent> Damaged, IReadOnlyList<string> Problems, long Unlisted)
{
    /// <summary>The largest number of listed items of each kind. Chosen: a store with more needs a restore.</summary>
    public const int MaxListed = 1000;

    /// <summary>Whether everything is whole, or was healed.</summary>
    public bool IsWhole => Problems.Count == 0 && Unlisted == 0 && Damaged.All(static each => each.IsHealed);
}
