using Gateway.Configuration;
using Gateway.Policy.Signatures;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// Requests a manifest as a client would: through the gate of this upstream's repository. Null if the gate does not return it.
/// </summary>
internal delegate Task<StoredManifest?> PullManifest(
    string upstream, RepositoryName name, Reference reference, CancellationToken cancellationToken);

/// <summary>
/// Prefetches the referrers of an admitted manifest: the list, the referrers, and the artifacts under cosign's tags for it. So signatures
/// are here when the upstream is down. Requests go through the gate, for one subject at a time, and read at most as much as a policy would.
/// Referrers that could not be fetched are fetched when a client requests them.
/// </summary>
internal sealed class ReferrersAhead(TimeProvider clock, ILogger logger) : IAsyncDisposable
{
    // As long as a list with entries stays fresh (UpstreamReferrers): a manifest that is received again sooner needs no second request.
    private static readonly TimeSpan Remembered = TimeSpan.FromMinutes(5);

    private readonly AheadQueue _queue = new(workers: 1, logger);
    private readonly ExpiringMap<(string Upstream, RepositoryName Name, Digest Subject), bool> _asked = new(4096, clock);

    /// <summary>Starts the worker, once. Work that was added before waits for it.</summary>
    /// <param name="pull">Pulls manifests through the gate.</param>
    public void Start(PullManifest pull) => _queue.Start(pull);

    /// <summary>A change to the cached content of an upstream was made: queues the referrers of its new manifests.</summary>
    public void Admitted(PullThroughRepository repository, UpstreamRepository source, Change change)
    {
        if (source.Options is not { Referrers: ReferrersFetch.WithSubject, Auth: not UpstreamAuth.Passthrough }) return;
        // Referrers of referrers are not fetched: signatures of signatures would have no end.
        if (change.Operations.Any(o =>
                o is Operation.AddReferrer || (o is Operation.SetLive set && !EvidenceNotes.SubjectOf(set.Tag, set.Digest).IsEmpty)))
            return;
        foreach (var subject in change.Operations.OfType<Operation.StoreManifest>().Select(o => o.Digest))
        {
            var key = (source.Key, source.Name, subject);
            if (_asked.TryGet(key, out _)) continue;
            _asked.Set(key, true, Remembered);
            _queue.Add((pull, token) => FetchAsync(repository, source, subject, pull, token));
        }
    }

    /// <summary>Clears what was requested lately, because the operator has purged it.</summary>
    public void Forget() => _asked.Clear();

    private async Task FetchAsync(
        PullThroughRepository repository, UpstreamRepository source, Digest subject, PullManifest pull, CancellationToken cancellationToken)
    {
        // The remaining rate budget is reserved for requests of clients, which may request these referrers too.
        if (source.RateLimit is { Stretch: not 1 })
        {
            PullThroughMetrics.ReferrersAhead("held");
            return;
        }
        var listed = await repository.ReferrersAsync(subject, cancellationToken);
        var (found, failed, remaining) = (0, listed is not Result<IReadOnlyList<Descriptor>>.Found, (long)EvidenceBudget.MaxBytes);
        foreach (var reference in References(subject, (listed as Result<IReadOnlyList<Descriptor>>.Found)?.Value ?? []))
        {
            if (await pull(source.Key, source.Name, reference, cancellationToken) is not { } evidence) continue;
            found++;
            foreach (var blob in evidence.Manifest.Blobs.Where(b => b.Urls.IsEmpty && b.Size <= EvidenceBudget.MaxAttestation))
            {
                if ((remaining -= blob.Size) < 0) break;
                if ((await repository.PrefetchAsync(blob, cancellationToken)).Problem is not { } problem) continue;
                failed = true;
                Log.NotPrefetched(logger, blob.Digest, problem);
            }
        }
        PullThroughMetrics.ReferrersAhead(failed ? "failed" : found > 0 ? "kept" : "none");
    }

    private static IEnumerable<Reference> References(Digest subject, IReadOnlyList<Descriptor> listed)
    {
        var referrers = listed.Take(EvidenceBudget.MaxManifests).Select(referrer => new Reference(referrer.Digest));
        return subject.Algorithm == DigestAlgorithm.Sha256
            ? referrers.Concat(EvidenceTag.SuffixedOf(subject).Select(static tag => new Reference(tag)))
            : referrers;
    }

    public ValueTask DisposeAsync() => _queue.DisposeAsync();
}
