using System.Collections.Immutable;
using System.Globalization;

namespace Gateway.Storage;

/// <summary>A head that was read.</summary>
/// <param name="ETag">Null when there is no head.</param>
/// <param name="Head">Null when the head has the ETag that the caller has.</param>
internal readonly record struct ReadHead(string? ETag, LogHead? Head);

/// <summary>An object of a log is not in the bucket (any more): the head that names it was replaced.</summary>
internal sealed class LogPartMissingException(string key) : IOException($"expected {key} in the bucket, got none");

/// <summary>The objects of one repository's log in the bucket: the head and the parts with older records.</summary>
/// <param name="prefix">Precedes the keys of everything in the bucket; empty or with a slash at its end.</param>
internal sealed class LogObjects(IBucket bucket, string prefix, string name, Func<Guid> newId)
{
    /// <summary>The name of the repository.</summary>
    public string Name => name;

    /// <summary>
    /// Parts after which they are replaced by a snapshot. Chosen: a replica that was away for some 1,000 changes reads each of them once,
    /// and a snapshot is made once in that many changes.
    /// </summary>
    private const int MostParts = 16;

    /// <summary>The prefix of all heads: one list has the names of all repositories, and by the ETags what has changed.</summary>
    public static string HeadsPrefix(string prefix) => $"{prefix}gateway/heads/";

    // Below the name, never the name itself: some stores omit from a list what is below the key of an object, and a repository can be below
    // another one. No name has a part that begins with an underscore.
    private const string HeadName = "/_head";

    public string Key { get; } = HeadsPrefix(prefix) + name + HeadName;

    /// <summary>The name of the repository whose head has this key; empty when it is no head's.</summary>
    /// <param name="key">Begins with <see cref="HeadsPrefix"/>.</param>
    public static ReadOnlySpan<char> NameOf(string key, string prefix) =>
        key.EndsWith(HeadName, StringComparison.Ordinal) ? key.AsSpan()[HeadsPrefix(prefix).Length..^HeadName.Length] : default;

    private string KeyOf(LogPart part) => $"{prefix}gateway/logs/{name}/{part.Name}";

    /// <param name="unless">The ETag that the caller has; null to read the head anyway.</param>
    /// <exception cref="UnreadableLogException">The head is damaged, or a newer version wrote it.</exception>
    public async ValueTask<ReadHead> ReadAsync(string? unless)
    {
        var (etag, head) = await ReadAsync(Key, unless, LogHead.Read);
        return new(etag, etag is null ? LogHead.Empty : head);
    }

    /// <summary>Writes the head. Returns its ETag. Throws as <see cref="IBucket.PutAsync"/>.</summary>
    /// <param name="before">The ETag of the head that it replaces; null when there must be none.</param>
    public ValueTask<string> PutAsync(ReadOnlyMemory<byte> head, string? before) => bucket.PutAsync(
        Key, head, before is null ? PutCondition.Absent : PutCondition.Match(before), CancellationToken.None);

    public async ValueTask<ImmutableArray<LogRecord>> ReadAsync(LogPart part)
    {
        var (etag, records) = await ReadAsync(KeyOf(part), null, LogHead.ReadPart);
        return etag is null ? throw new LogPartMissingException(KeyOf(part)) : records;
    }

    // The default of T when the object is unchanged or does not exist.
    private async ValueTask<(string? ETag, T? Read)> ReadAsync<T>(string key, string? unless, Func<ReadOnlyMemory<byte>, T> parse)
    {
        try
        {
            var read = await bucket.ReadAsync(key, LogHead.MaxObject, unless, CancellationToken.None);
            return read.IsUnchanged ? (unless, default) : (read.ETag, read.ETag is null ? default : parse(read.Bytes));
        }
        catch (InvalidDataException e)
        {
            throw new UnreadableLogException(name, key, e);
        }
        catch (NewerRecordException e)
        {
            throw new UnreadableLogException(name, key, e);
        }
    }

    /// <summary>The records of a head that follow a change.</summary>
    public async ValueTask<IReadOnlyList<LogRecord>> ReadAfterAsync(LogHead head, long sequence)
    {
        var records = new List<LogRecord>();
        foreach (var part in head.Parts.Where(part => part.Last > sequence)) records.AddRange(await ReadAsync(part));
        return [.. records.Concat(head.Tail).Where(record => record.Sequence > sequence)];
    }

    /// <summary>All records of a head, reduced to what matters.</summary>
    public async ValueTask<ImmutableArray<LogRecord>> FoldAsync(LogHead head) => LogFold.Of(await ReadAfterAsync(head, 0));

    /// <summary>
    /// The head with a tail that is short enough: the older records of a long one are written as a part first, and many parts as a
    /// snapshot.
    /// </summary>
    public async ValueTask<LogHead> ShortenAsync(LogHead head)
    {
        var lengths = head.Tail.Select(LengthOf).ToArray();
        if (head.Tail.Length <= LogHead.MostInTail && lengths.Sum() <= LogHead.MostTailBytes) return head;
        // The newer half stays, so that not every commit writes a part.
        var (kept, bytes) = (0, 0L);
        while (kept < LogHead.MostInTail / 2 && bytes + lengths[^(kept + 1)] <= LogHead.MostTailBytes / 2) bytes += lengths[^(++kept)];
        var moved = head.Tail[..^kept];
        var parts = head.Parts.Add(await WriteAsync(moved, moved[0].Sequence, moved[^1].Sequence, isSnapshot: false));
        var shorter = head with { Tail = head.Tail[^kept..], Parts = parts };
        if (parts.Length <= MostParts) return shorter;
        var folded = await FoldAsync(shorter with { Tail = [] });
        return shorter with { Parts = [await WriteAsync(folded, 1, parts[^1].Last, isSnapshot: true)] };
    }

    /// <summary>A snapshot of records that no log has yet.</summary>
    public ValueTask<LogPart> WriteSnapshotAsync(IReadOnlyList<LogRecord> records) =>
        WriteAsync(records, 1, records[^1].Sequence, isSnapshot: true);

    /// <summary>
    /// Removes the parts of one head that another one does not name. A reader of the old head that misses one reads the head again.
    /// </summary>
    public async Task DropAsync(LogHead of, LogHead except)
    {
        foreach (var part in of.Parts.Except(except.Parts))
        {
            try
            {
                await bucket.DeleteAsync(KeyOf(part), CancellationToken.None);
            }
            catch (IOException)
            {
                // It stays as an object that nothing names.
            }
        }
    }

    private async ValueTask<LogPart> WriteAsync(IReadOnlyList<LogRecord> records, long first, long last, bool isSnapshot)
    {
        var number = last.ToString("D20", CultureInfo.InvariantCulture);
        var part = new LogPart(first, last, $"{number}{(isSnapshot ? "-snapshot" : "")}-{newId():N}", isSnapshot);
        await bucket.PutAsync(KeyOf(part), LogHead.PartOf(records), PutCondition.None, CancellationToken.None);
        return part;
    }

    private static long LengthOf(LogRecord record)
    {
        using var bytes = new MemoryStream();
        using var to = new BinaryWriter(bytes);
        record.Write(to);
        return bytes.Length;
    }
}
