using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Gateway.Storage;

/// <summary>
/// This replica's copy of a shared repository: the layout of a volume, written by the committer. So all code that reads a repository reads
/// it as it does without a bucket.
/// </summary>
internal sealed class ReplayedCopy : ILogState
{
    /// <summary>Records that are given to the committer at once. Chosen: a batch of its own (<see cref="Committer"/>).</summary>
    private const int MostAtOnce = 256;

    /// <summary>While the copy is made anew. No log has a change with this number, so the copy is not taken for one of any log.</summary>
    private static readonly LogPosition Unfinished = new(-1, Guid.Empty, null);

    private readonly StoredRepository _repository;
    private readonly Links _links;
    private readonly SmallFiles _files;
    private readonly Committer _committer;
    private readonly RecentUses _uses;

    public ReplayedCopy(StoredRepository repository, Links links, SmallFiles files, Committer committer, RecentUses uses)
    {
        (_repository, _links, _files, _committer, _uses) = (repository, links, files, committer, uses);
        Position = ReadPosition();
    }

    /// <inheritdoc/>
    public LogPosition Position { get; private set; }

    private string PositionFile => _repository.Root.Position(_repository.Path);

    /// <inheritdoc/>
    public IReadOnlyList<CheckedChange> Check(IReadOnlyList<Change> changes, long sequence, DateTimeOffset at)
    {
        var pending = new PendingChanges(_links);
        var results = new List<CheckedChange>(changes.Count);
        foreach (var change in changes)
        {
            // The tags of a manifest are removed with it.
            if (change.Operations.Any(static o => o is Operation.RemoveManifest)) _repository.LoadTags();
            if (pending.Refuse(_repository, change) is { } refusal)
            {
                results.Add(new(refusal, null));
                continue;
            }
            var taken = pending.Take(_repository, change, ++sequence, at);
            results.Add(new(null, LoggedForm.Of(taken)));
        }
        return results;
    }

    /// <inheritdoc/>
    public async ValueTask ApplyAsync(
        IReadOnlyList<LogRecord> records, LogPosition after, IReadOnlyDictionary<Guid, Change> own)
    {
        foreach (var some in records.Chunk(MostAtOnce))
        {
            // What a client pushed to another replica is in use for the grace time here, too.
            foreach (var record in some) _uses.Note(record.Change.Operations, record.Change.At);
            foreach (var digest in some.SelectMany(record => ReadByCommitter(record.Change.Operations)))
                await _repository.PreloadAsync(digest, CancellationToken.None);
            await Task.WhenAll(some.Select(record => ApplyAsync(record, own.GetValueOrDefault(record.Id))));
        }
        Note(after);
    }

    // The manifests that the committer parses when it applies these operations.
    private IEnumerable<Digest> ReadByCommitter(IEnumerable<Operation> operations) =>
        operations.OfType<Operation.RemoveManifest>().Select(static o => o.Digest)
            .Concat(operations.OfType<Operation.StoreManifest>().Where(_ => _repository.State.Parents.IsUsed).Select(static o => o.Digest));

    /// <inheritdoc/>
    public async ValueTask ResetAsync(IReadOnlyList<LogRecord> folded, LogPosition after)
    {
        // Until the new position is noted, the next read and a restart begin again.
        try
        {
            Write(Unfinished);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CopyUnwrittenException($"the volume could not be written: {Disk.WhyOf(e)}", e);
        }
        Position = Unfinished;
        await RemoveOthersAsync(LogFold.NamesOf(folded));
        await ApplyAsync(folded, after, new Dictionary<Guid, Change>());
    }

    /// <summary>Removes what the copy has and the log does not.</summary>
    private async Task RemoveOthersAsync(LoggedNames names)
    {
        var repository = _repository;
        ImmutableArray<Operation> removals =
        [
            .. repository.HeldPushes().Where(h => !names.Held.Contains(h.Tag)).Select(static h => new Operation.EndHold(h.Tag)),
            .. repository.Tags().Where(t => !names.Tags.Contains(t)).Select(static t => new Operation.RemoveTag(t)),
            .. repository.Manifests().Where(m => !names.Manifests.Contains(m)).Select(static m => new Operation.RemoveManifest(m)),
            .. repository.Blobs().Where(b => !names.Blobs.Contains(b)).Select(static b => new Operation.RemoveBlob(b)),
        ];
        if (removals.IsEmpty) return;
        foreach (var digest in ReadByCommitter(removals)) await repository.PreloadAsync(digest, CancellationToken.None);
        repository.LoadTags();
        await CommitAsync(new(removals) { LoggedAt = DateTimeOffset.UnixEpoch });
    }

    private Task ApplyAsync(LogRecord record, Change? own)
    {
        var parsed = own?.Operations.OfType<Operation.StoreManifest>().ToLookup(static m => m.Digest);
        var operations = record.Change.Operations.Where(o => own is null || o is not Operation.SetVerdict).Select(o => o switch
        {
            Operation.StoreManifest stored => stored with { Parsed = parsed?[stored.Digest].FirstOrDefault()?.Parsed },
            Operation.Hold hold => hold with { Number = record.Sequence },
            _ => o,
        });
        // The replica that evaluated has the verdict; for the others, the log says that it is unknown.
        var verdicts = own?.Operations.OfType<Operation.SetVerdict>() ?? [];
        return CommitAsync(new([.. operations, .. verdicts])
        {
            LoggedAt = record.Change.At, Committed = own?.Committed,
            // What other replicas add is counted too.
            Room = record.Adds > 0 ? new(0, 0, record.Adds) : null,
        });
    }

    private async Task CommitAsync(Change change)
    {
        try
        {
            await _committer.CommitAsync(_repository, change, CancellationToken.None);
        }
        catch (StoreReadOnlyException e)
        {
            throw new CopyUnwrittenException(e.Message, e);
        }
    }

    // Not flushed: an older position is as good, because applying records again changes nothing.
    private void Note(LogPosition position)
    {
        try
        {
            if (position != Position) Write(position);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The file has an older position.
        }
        Position = position;
    }

    private void Write(LogPosition position)
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{position.Sequence}\n{position.Id}\n{position.ETag}\n");
        _files.Write(PositionFile, Encoding.UTF8.GetBytes(text));
    }

    private LogPosition ReadPosition()
    {
        var lines = (Disk.Text(PositionFile) ?? "").Split('\n');
        return lines.Length == 4 && long.TryParse(lines[0], CultureInfo.InvariantCulture, out var sequence)
            && Guid.TryParse(lines[1], out var id)
            ? new(sequence, id, lines[2].Length > 0 ? lines[2] : null)
            : default;
    }
}
