using Gateway.Configuration;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// A passthrough repository as one client sees it. It shows no cached content unless the upstream has lately given this client something of
/// the repository. Without that proof, the client gets the same answers whether or not content is cached.
/// </summary>
internal sealed class PrivateRepository : IBacking
{
    // Answers a client that repeats a refused request. The time is short, so that a newly granted right takes effect soon.
    private static readonly TimeSpan RefusalLifetime = TimeSpan.FromSeconds(10);

    private readonly Proof _proof;
    private readonly UpstreamRepository _source;
    private readonly PullThroughRepository _shared;
    private readonly SingleFlight<(UpstreamNoun, string), Said> _proving = new();
    private readonly ExpiringMap<(UpstreamNoun, string), Said> _refused;

    public PrivateRepository(
        StoredRepository stored, UpstreamOptions options, IUpstreamRegistry asClient, RepositoryName name, FetchTable fetches,
        ManifestLimits limits, TimeProvider clock)
    {
        _proof = new(asClient, options.ProvenFor, clock);
        _source = new(options, _proof, name, clock);
        _shared = new(stored, options, _proof, name, fetches, limits, clock);
        _refused = new(256, clock);
    }

    /// <summary>The upstream, asked with the client's credentials.</summary>
    public IUpstreamRegistry Upstream => _proof;

    /// <summary>The result of a request for proof.</summary>
    /// <param name="Refusal">Null if the upstream gave proof.</param>
    private sealed record Said(UpstreamException? Refusal);

    public IOtherReplicas? Others => _proof.Holds ? _shared.Others : null;

    public ValueTask<Result<TagState>> ResolveAsync(TagName tag, CancellationToken cancellationToken) =>
        _proof.Holds
            ? _shared.ResolveAsync(tag, cancellationToken)
            : ProveAsync(
                UpstreamNoun.Manifest, tag.Value, tag, static (shared, tag, token) => shared.ResolveAsync(tag, token), cancellationToken);

    public ValueTask<Result<TaggedManifest>> ReadTagAsync(TagName tag, bool isForClient, CancellationToken cancellationToken) =>
        _proof.Holds
            ? _shared.ReadTagAsync(tag, isForClient, cancellationToken)
            : ProveAsync(
                UpstreamNoun.Manifest, tag.Value, (tag, isForClient),
                static (shared, asked, token) => shared.ReadTagAsync(asked.tag, asked.isForClient, token), cancellationToken);

    public ValueTask<Result<StoredManifest>> ReadManifestAsync(Digest digest, CancellationToken cancellationToken) =>
        _proof.Holds
            ? _shared.ReadManifestAsync(digest, cancellationToken)
            : ProveAsync(
                UpstreamNoun.Manifest, digest.ToString(), digest,
                static (shared, digest, token) => shared.ReadManifestAsync(digest, token), cancellationToken);

    public ValueTask<Result<IContent>> OpenBlobAsync(Digest digest, BlobUse use, CancellationToken cancellationToken) =>
        _proof.Holds
            ? _shared.OpenBlobAsync(digest, use, cancellationToken)
            : ProveAsync(
                UpstreamNoun.Blob, digest.ToString(), (digest, use),
                static (shared, blob, token) => shared.OpenBlobAsync(blob.digest, blob.use, token), cancellationToken);

    public void Requested(Digest digest, Result<StoredManifest> result) => _shared.Requested(digest, result);

    public void Requested(Result<IContent> result) => _shared.Requested(result);

    public ValueTask<Prefetched> PrefetchAsync(Descriptor blob, CancellationToken cancellationToken) => _proof.Holds
        ? _shared.PrefetchAsync(blob, cancellationToken)
        : new(new Prefetched($"upstream {_source.Key} has not proven that this client may see {_source.Name}", 0));

    public ValueTask<Result<IReadOnlyList<Descriptor>>> ReferrersAsync(Digest subject, CancellationToken cancellationToken) =>
        _proof.Holds
            ? _shared.ReferrersAsync(subject, cancellationToken)
            : ProveAsync(
                UpstreamNoun.Manifest, subject.ToString(), subject,
                static (shared, subject, token) => shared.ReferrersAsync(subject, token), cancellationToken);

    public ValueTask<Result<IReadOnlyList<Digest>>> EvidenceAsync(Digest subject, CancellationToken cancellationToken) =>
        _proof.Holds
            ? _shared.EvidenceAsync(subject, cancellationToken)
            : ProveAsync(
                UpstreamNoun.Manifest, subject.ToString(), subject,
                static (shared, subject, token) => shared.EvidenceAsync(subject, token), cancellationToken);

    public ValueTask<IReadOnlyList<Digest>> SubjectsOfAsync(Digest evidence) =>
        _proof.Holds ? _shared.SubjectsOfAsync(evidence) : new(Array.Empty<Digest>());

    public long VersionOf(Digest subject) => _shared.VersionOf(subject);

    public long Version => _shared.Version;

    public long Additions => _shared.Additions;

    public long Lost => _shared.Lost;

    public IAsyncEnumerable<(Digest Evidence, Digest Subject)> OrphansAsync() => _shared.OrphansAsync();

    public ValueTask<bool> HasCountedEvidenceAsync(Digest subject) =>
        _proof.Holds ? _shared.HasCountedEvidenceAsync(subject) : new(false);

    public ValueTask<IReadOnlyCollection<Digest>> IndexesOfAsync(Digest child) =>
        _proof.Holds ? _shared.IndexesOfAsync(child) : new(Array.Empty<Digest>());

    public IAsyncEnumerable<TagName> TagsOfAsync(Digest digest) =>
        _proof.Holds ? _shared.TagsOfAsync(digest) : AsyncEnumerable.Empty<TagName>();

    public Digest LiveOf(TagName tag) => _proof.Holds ? _shared.LiveOf(tag) : default;

    public ValueTask<DateTimeOffset?> FirstSeenAsync(Digest digest) => _proof.Holds ? _shared.FirstSeenAsync(digest) : default;

    public IReadOnlyList<HeldPush> HeldPushes() => _shared.HeldPushes();

    public IReadOnlyList<Digest> HistoryOf(TagName tag) => _proof.Holds ? _shared.HistoryOf(tag) : [];

    public IReadOnlyList<Digest> EarlierOf(TagName tag) => _proof.Holds ? _shared.EarlierOf(tag) : [];

    /// <summary>Asks the upstream each time. Cached tags replace its answer only while the proof holds.</summary>
    public ValueTask<Result<Page<TagName>>> TagsAfterAsync(string? last, int count, CancellationToken cancellationToken) =>
        _shared.TagsAfterAsync(last, count, cancellationToken);

    /// <summary>Also null without proof: the policy reads the link before it requests the content itself.</summary>
    public ValueTask<Link?> ReadLinkAsync(Digest digest, LinkKind kind, CancellationToken cancellationToken) => _proof.Holds
        ? _shared.ReadLinkAsync(digest, kind, cancellationToken)
        : ProveLinkAsync(digest, kind, cancellationToken);

    private async ValueTask<Link?> ProveLinkAsync(Digest digest, LinkKind kind, CancellationToken cancellationToken) =>
        await RefusalAsync(kind == LinkKind.Blob ? UpstreamNoun.Blob : UpstreamNoun.Manifest, digest.ToString(), cancellationToken) is null
            ? await _shared.ReadLinkAsync(digest, kind, cancellationToken)
            : null;

    public bool IsPushed(Digest manifest) => false;

    public IRepositoryUploads? Uploads => null;

    public ValueTask<bool> HasBytesAsync(LinkKind kind, Digest digest, long size, CancellationToken cancellationToken) =>
        _shared.HasBytesAsync(kind, digest, size, cancellationToken);

    public IAsyncEnumerable<Digest> ManifestsAsync(DigestAlgorithm? algorithm = null) =>
        _proof.Holds ? _shared.ManifestsAsync(algorithm) : AsyncEnumerable.Empty<Digest>();

    /// <summary>
    /// The committed content was just fetched from the upstream or pushed to it with these credentials, so earlier refusals may be
    /// outdated.
    /// </summary>
    public ValueTask<CommitResult> CommitAsync(Change change, CancellationToken cancellationToken)
    {
        _refused.Clear();
        return _shared.CommitAsync(change, cancellationToken);
    }

    /// <summary>
    /// Shows content after the upstream gave proof. Reads while the proof holds do not need it, and allocate nothing for it.
    /// </summary>
    private async ValueTask<Result<T>> ProveAsync<TWhat, T>(
        UpstreamNoun noun, string reference, TWhat what, Func<PullThroughRepository, TWhat, CancellationToken, ValueTask<Result<T>>> show,
        CancellationToken cancellationToken) =>
        await RefusalAsync(noun, reference, cancellationToken) is { } refusal
            ? UpstreamAnswers.Failed<T>(_source, refusal)
            : await show(_shared, what, cancellationToken);

    /// <summary>Why the client sees nothing of the repository; null if the proof holds.</summary>
    private async ValueTask<UpstreamException?> RefusalAsync(UpstreamNoun noun, string reference, CancellationToken cancellationToken)
    {
        if (_proof.Holds) return null;
        var key = (noun, reference);
        var (asking, _) = _proving.Run(
            key, () => new(_refused.TryGet(key, out var lately) ? lately : null), () => AskAsync(noun, reference));
        var refusal = (await asking.WaitAsync(cancellationToken)).Refusal;
        PullThroughMetrics.Request(
            _source.Key, "proof", refusal is null ? "miss" : refusal.Failure == UpstreamFailure.Unauthorized ? "absent" : "unavailable");
        return refusal;
    }

    private async Task<Said> AskAsync(UpstreamNoun noun, string reference)
    {
        Said said;
        try
        {
            var status = await StatusOfAsync(noun, reference);
            said = new(_proof.Holds ? null
                : status == 404 ? new(UpstreamFailure.Unauthorized, $"upstream {_source.Key} has no {reference}", status: 404)
                : _source.Misbehaved($"expected 200 or 404 for {reference}, got {status}"));
        }
        catch (UpstreamException e)
        {
            said = new(e);
        }
        if (said.Refusal?.Failure == UpstreamFailure.Unauthorized) _refused.Set((noun, reference), said, RefusalLifetime);
        return said;
    }

    /// <summary>Uses HEAD, which Docker Hub does not count; or a GET whose body is not read if HEAD cannot be used.</summary>
    private async Task<int> StatusOfAsync(UpstreamNoun noun, string reference)
    {
        var isUseless = _source.Heads.IsUseless(noun);
        try
        {
            if (!isUseless)
            {
                await using var head = await _source.AskAsync(HttpMethod.Head, noun, reference);
                if (head.Status == 200) _source.Heads.Worked(noun);
                if (head.Status == 200 || (head.Status == 404 && noun == UpstreamNoun.Manifest && _source.Heads.HasWorked(noun)))
                    return head.Status;
            }
        }
        catch (UpstreamException e) when (e.IsOfHead)
        {
        }
        await using var get = await _source.AskAsync(HttpMethod.Get, noun, reference);
        if (get.Status == 200 && !isUseless) _source.Heads.Contradicted(noun);
        return get.Status;
    }
}
