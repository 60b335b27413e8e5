using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>Asks for a manifest as a client would: through the gate of this upstream's repository. Null when it does not give it.</summary>
internal delegate Task<StoredManifest?> PullManifest(
    string upstream, RepositoryName name, Reference reference, CancellationToken cancellationToken);

/// <summary>
/// Fetches who refers to a manifest with it: when one has been admitted, the list of its referrers, they themselves, and what is under
/// cosign's tags for it, so that signatures are here when the upstream is gone. Behind the client's back, through the gate, one subject
/// at a time and as much as a policy would read of it; what does not come is fetched when it is asked for.
/// </summary>
internal sealed class ReferrersAhead(TimeProvider clock, ILogger logger) : IAsyncDisposable
{
    // cosign 2's tags for what it attaches (SIGNATURE_SPEC.md and its like for attestations and SBOMs).
    private static readonly string[] Suffixes = [".sig", ".att", ".sbom"];

    // As long as a list that was not empty is believed (UpstreamReferrers): a manifest that comes again sooner needs no second look.
    private static readonly TimeSpan Remembered = TimeSpan.FromMinutes(5);

    private readonly AheadQueue _queue = new(workers: 1, logger);
    private readonly ExpiringMap<(string Upstream, RepositoryName Name, Digest Subject), bool> _asked = new(4096, clock);

    /// <summary>Starts the worker, once. What was admitted before waits for it.</summary>
    /// <param name="pull">Pulls manifests through the gate.</param>
    public void Start(PullManifest pull) => _queue.Start(pull);

    /// <summary>A change was made to what is kept of an upstream: who refers to its new manifests follows, in its turn.</summary>
    public void Admitted(PullThroughRepository repository, UpstreamRepository source, Change change)
    {
        if (source.Options is not { Referrers: ReferrersFetch.WithSubject, Auth: not UpstreamAuth.Passthrough }) return;
        // What refers itself is not looked into once more: signatures of signatures would have no end.
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

    /// <summary>Forgets what was looked into: an operator has purged it.</summary>
    public void Forget() => _asked.Clear();

    private async Task FetchAsync(
        PullThroughRepository repository, UpstreamRepository source, Digest subject, PullManifest pull, CancellationToken cancellationToken)
    {
        // What is left is for what clients ask for; they may ask for these too.
        if (source.RateLimit is { Stretch: not 1 })
        {
            PullThroughMetrics.ReferrersAhead("held");
            return;
        }
        var listed = await repository.ReferrersAsync(subject, cancellationToken);
        var (found, failed, left) = (0, listed is not Result<IReadOnlyList<Descriptor>>.Found, (long)EvidenceBudget.MaxBytes);
        foreach (var reference in References(subject, (listed as Result<IReadOnlyList<Descriptor>>.Found)?.Value ?? []))
        {
            if (await pull(source.Key, source.Name, reference, cancellationToken) is not { } evidence) continue;
            found++;
            foreach (var blob in evidence.Manifest.Blobs.Where(b => b.Urls.IsEmpty && b.Size <= EvidenceBudget.MaxAttestation))
            {
                if ((left -= blob.Size) < 0) break;
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
            ? referrers.Concat(Suffixes.Select(suffix => new Reference(TagName.Parse($"sha256-{subject.Hex}{suffix}"))))
            : referrers;
    }

    public ValueTask DisposeAsync() => _queue.DisposeAsync();
}
