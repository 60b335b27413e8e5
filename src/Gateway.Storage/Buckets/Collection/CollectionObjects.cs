namespace Gateway.Storage;

/// <summary>A state that was read or written.</summary>
/// <param name="ETag">Null when no collection ever began in this bucket.</param>
/// <param name="State">Null when none began.</param>
internal readonly record struct KnownState(string? ETag, CollectionState? State);

/// <summary>The objects of collections in a bucket: the state, and the lists of condemned content.</summary>
/// <param name="prefix">See <see cref="SharedStore.Prefix"/>.</param>
internal sealed class CollectionObjects(IBucket bucket, string prefix, LogClock clock)
{
    /// <summary>Times that the state is read or sent. Chosen: some 3 s with the pauses.</summary>
    private const int MaxTries = 16;

    /// <summary>The key of the state.</summary>
    public string Key { get; } = $"{prefix}gateway/gc/state";

    /// <summary>The prefix of all lists.</summary>
    public string Lists { get; } = $"{prefix}gateway/gc/lists/";

    public IBucket Bucket => bucket;

    public string Prefix => prefix;

    public LogClock Clock => clock;

    /// <summary>Reads the state. Throws <see cref="IOException"/> when the bucket does not answer.</summary>
    /// <param name="known">What the caller has; returned when it is unchanged.</param>
    public async ValueTask<KnownState> ReadAsync(KnownState known, CancellationToken cancellationToken)
    {
        try
        {
            var read = await bucket.ReadAsync(Key, CollectionState.MaxBytes, known.ETag, cancellationToken);
            return read.IsUnchanged ? known : read.ETag is null ? default : new(read.ETag, CollectionState.Parse(read.Bytes.Span));
        }
        catch (InvalidDataException e)
        {
            throw new IOException($"{e.Message}; restore {Key} from a version of the bucket, or remove it while no collection runs", e);
        }
    }

    /// <summary>
    /// Replaces the state, if it is still the known one. Returns what the state is now, and whether this wrote it. When the answer does
    /// not say that, the state is read. Throws <see cref="IOException"/> when that is not known: it may be written later, or never.
    /// </summary>
    public async ValueTask<(bool IsWritten, KnownState Now)> WriteAsync(CollectionState next, KnownState known)
    {
        next = next with { Nonce = clock.NewId().ToString("N") };
        for (var tries = 0; ; tries++)
        {
            try
            {
                var condition = known.ETag is { } etag ? PutCondition.Match(etag) : PutCondition.Absent;
                return (true, new(await bucket.PutAsync(Key, next.ToBytes(), condition, CancellationToken.None), next));
            }
            catch (IOException) when (tries < MaxTries)
            {
                // Also a conflict: an earlier one of two equal writes may have been done.
            }
            var now = await LookAsync();
            if (now.State?.Nonce == next.Nonce) return (true, now);
            if (now.ETag != known.ETag) return (false, now);
            await clock.PauseAsync(tries);
        }
    }

    private async ValueTask<KnownState> LookAsync()
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await ReadAsync(default, CancellationToken.None);
            }
            catch (IOException) when (tries < MaxTries)
            {
                await clock.PauseAsync(tries);
            }
        }
    }

    /// <summary>
    /// The list with this name. Throws <see cref="IOException"/> when there is none: a state names only lists that exist.
    /// </summary>
    public async ValueTask<CondemnedList> ReadListAsync(string name, CancellationToken cancellationToken)
    {
        var read = await bucket.ReadAsync(Lists + name, CondemnedList.MaxBytes, null, cancellationToken);
        return read.ETag is null
            ? throw new IOException($"expected the list {Lists + name} in the bucket, got none; restore the object, or remove {Key}")
            : CondemnedList.Parse(read.Bytes.Span);
    }

    /// <summary>Writes a list. Returns its name.</summary>
    public async ValueTask<string> WriteListAsync(long run, CondemnedList list, CancellationToken cancellationToken)
    {
        var name = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{run:D20}-{clock.NewId():N}");
        await bucket.PutAsync(Lists + name, list.ToBytes(), PutCondition.None, cancellationToken);
        return name;
    }
}
