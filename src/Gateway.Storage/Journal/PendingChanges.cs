using System.Collections.Immutable;

namespace Gateway.Storage;

/// <summary>
/// The expected result of the changes in a batch once they are applied; each following change is checked against it. Only the committer's
/// thread uses it.
/// </summary>
internal sealed partial class PendingChanges(Links links)
{
    private readonly Dictionary<(RepositoryState State, TagName Tag), Digest> _live = [];
    private readonly Dictionary<(RepositoryState State, TagName Tag), (long Sequence, Digest Digest)> _held = [];

    // When links were written, by their paths, from the first removal on (the default: removed); and when they were stored before it.
    private readonly Dictionary<string, DateTimeOffset> _written = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DateTimeOffset> _stored = new(StringComparer.Ordinal);

    private readonly HashSet<(RepositoryState State, LinkKind Kind, Digest Digest)> _removed = [];
    private readonly HashSet<(RepositoryState, Digest)> _raised = [];
    private readonly Dictionary<RepositoryState, long> _added = [];

    /// <summary>Why a change must not be made; null when all its expectations hold.</summary>
    public CommitResult? Refuse(StoredRepository repository, Change change)
    {
        if (change.IsStillAllowed is { } isAllowed && !isAllowed()) return new CommitResult.Superseded();
        foreach (var expected in change.Expectations)
        {
            var live = Live(repository, expected.Tag);
            if (live != expected.Live || (expected.HeldSequence is { } sequence && Held(repository, expected.Tag).Sequence != sequence))
                return new CommitResult.TagMoved(expected, live);
        }
        foreach (var (subject, version) in change.Subjects)
        {
            if (_raised.Contains((repository.State, subject)) || repository.VersionOf(subject) != version)
                return new CommitResult.Outdated(subject);
        }
        if (change.Room is { } room
            && repository.Additions + _added.GetValueOrDefault(repository.State) - room.At > room.Spare)
            return new CommitResult.Outdated(default);
        foreach (var (kind, digest) in change.Needs)
        {
            if (_removed.Contains((repository.State, kind, digest)) || links.Find(repository, kind, digest) is null)
                return new CommitResult.Missing(digest);
        }
        return null;
    }

    /// <summary>
    /// Adds a change: its operations, the removal of tags that are removed with a manifest, and the previous binding of each tag.
    /// </summary>
    public JournalRecord Take(StoredRepository repository, Change change, long sequence, DateTimeOffset at)
    {
        if (change.Room is { } room) _added[repository.State] = _added.GetValueOrDefault(repository.State) + room.Adds;
        var operations = change.Operations.SelectMany(o => Whole(repository, o)).ToImmutableArray();
        // Changes of cached repositories are not journaled, and never replayed.
        if (repository.Root.Lifetime != Lifetime.Cached)
            operations = [.. operations.Select(o => Dated(repository, o, at))];
        var previous = ImmutableArray.CreateBuilder<Digest>();
        foreach (var operation in operations)
        {
            if (operation is Operation.SetLive or Operation.RemoveTag)
            {
                var tag = operation is Operation.SetLive set ? set.Tag : ((Operation.RemoveTag)operation).Tag;
                previous.Add(Live(repository, tag));
                _live[(repository.State, tag)] = operation is Operation.SetLive live ? live.Digest : default;
            }
            if (operation is Operation.Hold hold) _held[(repository.State, hold.Tag)] = (hold.Number ?? sequence, hold.Digest);
            if (operation is Operation.EndHold withdrawn) _held[(repository.State, withdrawn.Tag)] = default;
            NoteLink(repository.State, operation);
            if (VersionEffects.Of(operation, repository.Root.Lifetime).Subject is { IsEmpty: false } subject)
                _raised.Add((repository.State, subject));
        }
        return new(sequence, at, repository.FullName, operations, previous.ToImmutable());
    }

    private void NoteLink(RepositoryState state, Operation operation)
    {
        switch (operation)
        {
            case Operation.RemoveManifest o:
                _removed.Add((state, LinkKind.Manifest, o.Digest));
                break;
            case Operation.RemoveBlob o:
                _removed.Add((state, LinkKind.Blob, o.Digest));
                break;
            case Operation.StoreManifest o:
                _removed.Remove((state, LinkKind.Manifest, o.Digest));
                break;
            case Operation.LinkBlob o:
                _removed.Remove((state, LinkKind.Blob, o.Digest));
                break;
        }
    }

    /// <summary>An operation, preceded by the removal of every tag that it removes too.</summary>
    private IEnumerable<Operation> Whole(StoredRepository repository, Operation operation)
    {
        if (operation is not Operation.RemoveManifest removal) return [operation];
        var bound = repository.State.BoundTo(removal.Digest)
            .Concat(Tags(_live, repository)).Distinct().Where(t => Live(repository, t) == removal.Digest);
        var held = repository.HeldPushes().Select(o => o.Tag)
            .Concat(Tags(_held, repository)).Distinct().Where(t => Held(repository, t).Digest == removal.Digest);
        return [.. bound.Select(t => new Operation.RemoveTag(t)), .. held.Select(t => new Operation.EndHold(t)), operation];
    }

    private static IEnumerable<TagName> Tags<T>(Dictionary<(RepositoryState State, TagName Tag), T> of, StoredRepository repository) =>
        of.Keys.Where(k => k.State == repository.State).Select(k => k.Tag);

    private Digest Live(StoredRepository repository, TagName tag) =>
        _live.TryGetValue((repository.State, tag), out var later) ? later : repository.Live(tag)?.Live ?? default;

    private (long Sequence, Digest Digest) Held(StoredRepository repository, TagName tag) =>
        _held.TryGetValue((repository.State, tag), out var later) ? later
        : repository.Live(tag)?.Held is { } held ? (held.Sequence, held.Digest)
        : default;
}
