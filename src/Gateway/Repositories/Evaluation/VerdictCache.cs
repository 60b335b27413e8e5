using System.Collections.Concurrent;
using BitFaster.Caching.Lru;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>What a verdict is about: a manifest, a tag (null for the digest), and the stage of its arrival (null for a pull).</summary>
internal readonly record struct VerdictKey(RepositoryName Repository, Digest Digest, TagName? Tag, Stage? Arrival);

/// <summary>
/// Caches the verdicts of one policy that no link notes: those that do not admit, and those about tags. A verdict that admits holds until
/// something that it may rest on is removed, or a signature repository changes. Any other holds until anything changes, and not for long:
/// an upstream may have more evidence by then.
/// </summary>
internal sealed class VerdictCache
{
    /// <summary>Maximum number of verdicts that are cached, some KiB each.</summary>
    private const int Most = 4096;

    /// <summary>How long a verdict that does not admit is cached at most.</summary>
    private static readonly TimeSpan Refusing = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a verdict that waits for evidence is cached at least: as long as an upstream's answer about evidence is used
    /// (PullThrough/Freshness), so that an image is served soon after it was signed.
    /// </summary>
    private static readonly TimeSpan Waiting = TimeSpan.FromSeconds(1);

    private readonly ConcurrentLru<VerdictKey, Entry> _entries = new(Most);

    private sealed record Entry(Basis Basis, DateTimeOffset Until, Verdict Verdict);

    private readonly ConcurrentDictionary<(VerdictKey Key, Basis Basis), Lazy<Task<Verdict>>> _sought = new();

    /// <summary>
    /// Evaluates once, however many requests wait for the verdict: it may take seconds. A request that is canceled ends only its own wait.
    /// </summary>
    /// <param name="basis">The current versions: a request after a change evaluates again.</param>
    public async Task<Verdict> SeekAsync(VerdictKey key, Basis basis, Func<Task<Verdict>> seek, CancellationToken cancellationToken)
    {
        var sought = _sought.GetOrAdd((key, basis), at => new(() => OnceAsync(at, seek)));
        return await sought.Value.WaitAsync(cancellationToken);
    }

    private async Task<Verdict> OnceAsync((VerdictKey, Basis) at, Func<Task<Verdict>> seek)
    {
        try
        {
            // Not on the thread of the first request, which may be canceled like the others.
            return await Task.Run(seek);
        }
        finally
        {
            _sought.TryRemove(at, out _);
        }
    }

    /// <param name="basis">The versions of now.</param>
    /// <param name="lost"><see cref="IRepositoryEvidence.Lost"/> of the image's repository.</param>
    public Verdict? Find(VerdictKey key, Basis basis, long lost, DateTimeOffset now) =>
        _entries.TryGet(key, out var entry)
        && now < entry.Until
        && entry.Basis.Elsewhere == basis.Elsewhere
        && (entry.Verdict.Admits ? entry.Basis.Own >= lost : entry.Basis.Own == basis.Own)
            ? entry.Verdict
            : null;

    /// <param name="basis">The versions before the evaluation began.</param>
    /// <param name="took">
    /// How long the evaluation took. A verdict that waits for evidence is cached twice as long, so that evaluations of refused images take
    /// no more than a part of the time.
    /// </param>
    public void Add(VerdictKey key, Basis basis, Verdict verdict, DateTimeOffset now, TimeSpan took)
    {
        var refusing = !verdict.CouldBeMended ? Refusing : took * 2 < Waiting ? Waiting : took * 2 < Refusing ? took * 2 : Refusing;
        var until = verdict.Admits ? DateTimeOffset.MaxValue : now + refusing;
        _entries.AddOrUpdate(key, new(basis, verdict.Until < until ? verdict.Until.Value : until, verdict));
    }
}
