using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>A page of what was removed and can be brought back.</summary>
/// <param name="Search">Only items of repositories whose name contains this; null for all.</param>
/// <param name="Bytes">Disk space of the whole trash.</param>
/// <param name="HasBucket">
/// Whether pushed content is in a bucket: then the trash has no bytes of blobs, and other gateways have the same items in their own.
/// </param>
/// <param name="Next">The value of <c>last</c> for the next page; null when this is the last one.</param>
/// <param name="Notice">Why items may be missing; null when none are.</param>
public sealed record TrashPage(
    IReadOnlyList<TrashRow> Items, string? Search, long Bytes, bool HasBucket, string? Next, string? Notice);

/// <summary>A removed manifest or tag of built-in storage.</summary>
/// <param name="What"><c>manifest</c> or <c>tag</c>.</param>
/// <param name="Tag">The tag; null for a manifest.</param>
/// <param name="Digest">The manifest; of a tag, what it was bound to, or null when that cannot be read.</param>
/// <param name="Live">What the tag is bound to now; null when it is not bound, and for a manifest.</param>
public sealed record TrashRow(DateTimeOffset At, string What, string Repository, string? Tag, string? Digest, string? Live);

/// <summary>Makes pages of the trash.</summary>
internal sealed class TrashPages(TrashContents trash, StoredRepositories stored, ConfigurationInForce inForce)
{
    /// <summary>Rows of a page.</summary>
    public const int Rows = 50;

    // Items that are looked at for one page: most of the trash are links and bytes, which come back with their manifest.
    private const int MostLookedAt = 2000;

    /// <param name="search">A part of a repository's name; null for all.</param>
    /// <param name="last">The item before the page; null for the first page.</param>
    public TrashPage Read(string? search, string? last)
    {
        var (rows, looked, seen) = (new List<TrashRow>(), 0, last);
        TrashPage Page(string? next, string? notice) =>
            new(rows, search, trash.DiskSpace, inForce.Current.Storage.S3 is not null, next, notice);
        foreach (var item in trash.Latest().SkipWhile(item => last is not null && !IsAfter(item, last)))
        {
            if (item.Id == last) continue;
            if (rows.Count == Rows) return Page(seen, null);
            if (looked++ == MostLookedAt)
                return Page(seen, $"{MostLookedAt} items were looked at; the next page looks further.");
            seen = item.Id;
            if (RowOf(item) is { } row && (search is null || row.Repository.Contains(search, StringComparison.Ordinal))) rows.Add(row);
        }
        return Page(null, null);
    }

    // The id begins with the moment, in milliseconds. The item itself may have been restored since.
    private static bool IsAfter(TrashedItem item, string last) => item.Id == last
        || (long.TryParse(last.Split('-')[0], out var moment) && item.At.ToUnixTimeMilliseconds() < moment);

    private TrashRow? RowOf(TrashedItem item)
    {
        if (item.What is not ("manifest" or "tag")) return null;
        if (WrittenReference.Parse(item.Name) is not { Name: var name, What: { } what }) return null;
        if (what.IsDigest) return new(item.At, item.What, name.Value, null, what.Digest.ToString(), null);
        var live = stored.Pushed(name).LiveOf(what.Tag);
        return new(item.At, item.What, name.Value, what.Tag.Value, item.BoundTo, live.IsEmpty ? null : live.ToString());
    }
}
