namespace Gateway.Storage;

/// <summary>A head that is in the bucket, and all of whose changes are applied here.</summary>
/// <param name="ETag">Null when there is no head.</param>
internal sealed record KnownHead(LogHead Head, string? ETag);

/// <summary>Writes heads, and finds out what became of a write whose answer was lost.</summary>
internal sealed class HeadWriter(LogObjects objects, LogClock clock)
{
    /// <summary>Times that a head is sent. Chosen: some 3 s with the pauses.</summary>
    private const int MaxTries = 16;

    /// <summary>Times that the head is read after a write whose result is not known. Chosen: some 0.1 s with the pauses.</summary>
    private const int MaxLooks = 4;

    /// <summary>
    /// Writes the head. When the answer does not say that it was written, the head is read: it shows whether the change was made, was not
    /// made and never will be, or can be sent again. Returns the current head.
    /// </summary>
    /// <param name="id">The id of a change in the new head that is not in the old one.</param>
    public async Task<(bool IsMade, KnownHead Now)> WriteAsync(LogHead next, KnownHead known, Guid id)
    {
        var bytes = next.ToBytes();
        IOException? last = null;
        for (var tries = 0; tries < MaxTries; tries++)
        {
            try
            {
                var etag = await objects.PutAsync(bytes, known.ETag);
                BucketMetrics.Committed("done");
                return (true, new KnownHead(next, etag));
            }
            catch (IOException e)
            {
                last = e;
                // Also a conflict: the earlier of two equal writes may have been done.
            }
            var now = await LookAsync(known.ETag);
            if (now is null)
            {
                // Sent again, it would be refused again until the operator corrects the key or its rights.
                if (last is BucketException { IsDenied: true }) break;
                // One of the two can be done, and only once: the first one changes the ETag.
                await clock.PauseAsync(tries);
                continue;
            }
            var isMade = now.Head.Recent.Contains(id);
            if (!isMade && now.Head.Sequence - known.Head.Sequence > now.Head.Recent.Length) break;
            BucketMetrics.Committed(isMade ? "looked" : "conflict");
            return (isMade, now);
        }
        BucketMetrics.Committed("unknown");
        if (last is BucketException { IsDenied: true }) throw last;
        throw new StoreReadOnlyException("the bucket did not say whether the push was stored; push again", last);
    }

    /// <summary>Reads the head; null when it is unchanged.</summary>
    private async Task<KnownHead?> LookAsync(string? etag)
    {
        for (var looks = 1; ; looks++)
        {
            try
            {
                var read = await objects.ReadAsync(etag);
                return read.Head is { } head && read.ETag != etag ? new KnownHead(head, read.ETag) : null;
            }
            catch (IOException) when (looks < MaxLooks)
            {
                await clock.PauseAsync(looks);
            }
        }
    }
}
