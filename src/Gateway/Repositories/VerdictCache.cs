using System.Collections.Concurrent;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>What was asked: which manifest, as which tag, and at which arrival (null for a pull).</summary>
internal readonly record struct VerdictKey(RepositoryName Repository, Digest Digest, TagName? Tag, Stage? Arrival);

/// <summary>
/// Verdicts of one policy that stand in no link: those that do not admit, and those about tags. One that admits holds until something is
/// taken away that it may rest on or a signature repository changes, any other until anything changes, and not for
/// long: an upstream may have more evidence by then.
/// </summary>
internal sealed class VerdictCache
{
    /// <summary>Verdicts kept, some KiB each; beyond it all are forgotten, and found again when they are asked for.</summary>
    private const int Most = 4096;

    /// <summary>How long one that does not admit holds: as long as an upstream's lack of signatures is believed.</summary>
    private static readonly TimeSpan Refusing = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<VerdictKey, Entry> _entries = new();

    private sealed record Entry(Basis Basis, DateTimeOffset Until, Verdict Verdict);

    private readonly ConcurrentDictionary<(VerdictKey Key, Basis Basis), Lazy<Task<Verdict>>> _sought = new();

    /// <summary>
    /// A verdict that is looked for once, however many wait for it: it may cost seconds. Who gives up ends only his own waiting.
    /// </summary>
    /// <param name="basis">The versions of now: who comes after a change looks for himself.</param>
    public async Task<Verdict> SeekAsync(VerdictKey key, Basis basis, Func<Task<Verdict>> seek, CancellationToken cancellationToken)
    {
        var sought = _sought.GetOrAdd((key, basis), at => new(() => OnceAsync(at, seek)));
        return await sought.Value.WaitAsync(cancellationToken);
    }

    private async Task<Verdict> OnceAsync((VerdictKey, Basis) at, Func<Task<Verdict>> seek)
    {
        try
        {
            // Not on the thread of the first: he may give up as well as the others.
            return await Task.Run(seek);
        }
        finally
        {
            _sought.TryRemove(at, out _);
        }
    }

    /// <param name="basis">The versions of now.</param>
    /// <param name="lost"><see cref="IBacking.Lost"/> of the image's repository.</param>
    public Verdict? Find(VerdictKey key, Basis basis, long lost, DateTimeOffset now) =>
        _entries.TryGetValue(key, out var entry)
        && now < entry.Until
        && entry.Basis.Elsewhere == basis.Elsewhere
        && (entry.Verdict.Admits ? entry.Basis.Own >= lost : entry.Basis.Own == basis.Own)
            ? entry.Verdict
            : null;

    /// <param name="basis">The versions before the verdict was looked for.</param>
    public void Add(VerdictKey key, Basis basis, Verdict verdict, DateTimeOffset now)
    {
        if (_entries.Count >= Most) _entries.Clear();
        var until = verdict.Admits ? DateTimeOffset.MaxValue : now + Refusing;
        _entries[key] = new(basis, verdict.Until < until ? verdict.Until.Value : until, verdict);
    }
}
