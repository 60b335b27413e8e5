using Gateway.Configuration;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>A repository of an upstream: its cached content, and the upstream behind it.</summary>
internal sealed class PullThroughRepository : DelegatingBacking, IOtherReplicas
{
    /// <summary>
    /// How long a verdict waits for the upstream's evidence. Time must remain to read the evidence (EvidenceBudget.MaxTime).
    /// </summary>
    private static readonly TimeSpan EvidencePatience = TimeSpan.FromSeconds(4);

    private readonly StoredRepository _stored;
    private readonly UpstreamRepository _source;
    private readonly TagRevalidation _tags;
    private readonly UpstreamManifests _manifests;
    private readonly ColdBlobs _blobs;
    private readonly UpstreamReferrers _referrers;
    private readonly TaggedEvidence _tagged;
    private readonly UpstreamTags _tagList;
    private readonly FetchTable _fetches;
    private readonly TimeProvider _clock;

    /// <param name="limits">The policy's limits for a document.</param>
    public PullThroughRepository(
        StoredRepository stored, UpstreamOptions options, IUpstreamRegistry upstream, RepositoryName upstreamName, FetchTable fetches,
        ManifestLimits limits, TimeProvider clock)
        : base(stored)
    {
        (_stored, _fetches, Limits, _clock) = (stored, fetches, limits, clock);
        _source = new(options, upstream, upstreamName, clock);
        _manifests = new(_source, fetches.Recent, limits, clock, fetches.Resources.Logger, fetches.Resources.Peers);
        _tags = new(stored, _source, _manifests, clock, fetches.Resources.Logger, fetches.Resources.Tags);
        _blobs = new(stored, _source, fetches, new(stored, _source, fetches, clock));
        _referrers = new(stored, _source, _manifests, limits, clock, fetches.Resources.Logger);
        _tagged = new(stored, _tags);
        _tagList = new(stored, _source, fetches.TagLists, clock, fetches.Resources.Logger);
    }

    /// <summary>The policy's limits for a document.</summary>
    public ManifestLimits Limits { get; }

    public override IOtherReplicas? Others => _fetches.Resources.Peers is null ? null : this;

    public async ValueTask<IReadOnlyList<Digest>?> NamingAsync(Digest content, CancellationToken cancellationToken) =>
        await _fetches.Resources.Peers!.NamingAsync(_source, content, cancellationToken);

    public override ValueTask<Result<TagState>> ResolveAsync(TagName tag, CancellationToken cancellationToken) =>
        _tags.ResolveAsync(tag, isForClient: true, cancellationToken);

    public override ValueTask<Result<TaggedManifest>> ReadTagAsync(TagName tag, bool isForClient, CancellationToken cancellationToken)
    {
        if (_tags.ReadFresh(tag) is not { } fresh) return ResolveAloneAsync(tag, cancellationToken);
        if (isForClient && fresh.Manifest is { } manifest)
        {
            PullThroughMetrics.Request(_source.Key, "manifest", "hit");
            _fetches.Ahead.Asked(manifest.Digest, manifest.Manifest);
        }
        return new(new Result<TaggedManifest>.Found(fresh, _source.Hit));
    }

    private async ValueTask<Result<TaggedManifest>> ResolveAloneAsync(TagName tag, CancellationToken cancellationToken) =>
        TaggedManifest.Of(await ResolveAsync(tag, cancellationToken));

    public override ValueTask<Result<StoredManifest>> ReadManifestAsync(Digest digest, CancellationToken cancellationToken) =>
        _stored.ReadManifest(digest) is { } manifest
            ? new(new Result<StoredManifest>.Found(manifest, _source.Hit))
            : ReadAbsentAsync(digest, cancellationToken);

    public override ValueTask<Result<IContent>> OpenBlobAsync(Digest digest, BlobUse use, CancellationToken cancellationToken)
    {
        var opening = _stored.OpenBlobAsync(digest, use, cancellationToken);
        if (use.Kind == BlobUseKind.Here) return opening;
        if (!opening.IsCompletedSuccessfully) return OpenAbsentAsync(opening, digest, use, cancellationToken);
        var opened = opening.Result;
        return opened is Result<IContent>.Found found
            ? new(found with { Handling = _source.Hit })
            : OpenAbsentAsync(new(opened), digest, use, cancellationToken);
    }

    /// <summary>Counts the request, and learns from it which platforms are in demand.</summary>
    public override void Requested(Digest digest, Result<StoredManifest> result)
    {
        Count("manifest", result);
        _fetches.Ahead.Asked(digest, (result as Result<StoredManifest>.Found)?.Value.Manifest);
    }

    public override void Requested(Result<IContent> result) => Count("blob", result);

    public override ValueTask<Prefetched> PrefetchAsync(Descriptor blob, CancellationToken cancellationToken) =>
        _blobs.PrefetchAsync(blob, cancellationToken);

    /// <summary>Fetches evicted content again.</summary>
    public override ValueTask<bool> HasBytesAsync(LinkKind kind, Digest digest, long size, CancellationToken cancellationToken) =>
        new(true);

    public override ValueTask<Result<IReadOnlyList<Descriptor>>> ReferrersAsync(Digest subject, CancellationToken cancellationToken) =>
        _referrers.ListAsync(subject, cancellationToken);

    public override ValueTask<Result<Page<TagName>>> TagsAfterAsync(string? last, int count, CancellationToken cancellationToken) =>
        _tagList.AfterAsync(last, count, cancellationToken);

    public override async ValueTask<Result<IReadOnlyList<Digest>>> EvidenceAsync(Digest subject, CancellationToken cancellationToken)
    {
        // The upstream's evidence is noted in the cached root. When the upstream does not answer, the notes are used, and the result says
        // that there may be more.
        var isStored = await _stored.EvidenceAsync(subject, cancellationToken) is Result<IReadOnlyList<Digest>>.Found { Value.Count: > 0 };
        var why = await AskForEvidenceAsync(subject, isStored ? TagRevalidation.StaleDeadline : EvidencePatience, cancellationToken);
        var noted = await _stored.EvidenceAsync(subject, cancellationToken);
        return noted with { Handling = noted.Handling with { Upstream = _source.Key, Incomplete = why } };
    }

    /// <summary>
    /// Null if the upstream has listed all its evidence. A longer request continues in the background, and answers the next caller.
    /// </summary>
    private async Task<string?> AskForEvidenceAsync(Digest subject, TimeSpan patience, CancellationToken cancellationToken)
    {
        var listing = _referrers.ListAsync(subject, cancellationToken).AsTask();
        var noting = _tagged.NoteAsync(subject, cancellationToken);
        try
        {
            await Task.WhenAll(listing, noting).WaitAsync(patience, _clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            return $"upstream {_source.Key} did not answer within {patience.TotalSeconds:0} s";
        }
        return await noting ?? await listing switch
        {
            Result<IReadOnlyList<Descriptor>>.Unavailable no => no.Why,
            var listed => listed.Handling.Incomplete,
        };
    }

    /// <summary>Binds a tag only to what its upstream has just said, so binding it also notes that it was validated.</summary>
    public override async ValueTask<CommitResult> CommitAsync(Change change, CancellationToken cancellationToken)
    {
        var forwarded = change.IsForwarded ? await ChangedAsync(change) : [];
        foreach (var (tag, digest) in forwarded) _tags.Changed(tag, digest);
        TagName[] bound = [.. change.Operations.OfType<Operation.SetLive>().Select(o => o.Tag)];
        var validated = bound.Select(tag => new Operation.Validated(tag, _tags.ValidatedAt(tag)));
        var result = await _stored.CommitAsync(
            change with { Operations = [.. change.Operations, .. validated] }, cancellationToken);
        if (result is not CommitResult.Committed) return result;
        Array.ForEach(bound, _tags.Forget);
        foreach (var operation in change.Operations)
        {
            if (operation is Operation.RemoveTag tag) _tags.Forget(tag.Tag);
            if (operation is Operation.RemoveManifest manifest) _fetches.Recent.Remove(_source, manifest.Digest, Limits);
            if (operation is Operation.LinkBlob blob) _blobs.Pushed(blob.Digest);
            if (operation is Operation.StoreManifest stored) _manifests.Stored(stored.Digest);
        }
        if (change.Operations.Any(o => o is Operation.SetLive or Operation.RemoveTag or Operation.RemoveManifest)) _tagList.Forget();
        foreach (var admitted in change.Operations.OfType<Operation.StoreManifest>())
            _fetches.Ahead.Admitted(this, _source, _fetches, admitted);
        _fetches.Referrers.Admitted(this, _source, change);
        return result;
    }

    /// <summary>
    /// The tags that the upstream has just bound or removed by a change, with their digests; the default for a removed tag.
    /// </summary>
    private async ValueTask<Dictionary<TagName, Digest>> ChangedAsync(Change change)
    {
        var changed = new Dictionary<TagName, Digest>();
        foreach (var operation in change.Operations)
        {
            if (operation is Operation.SetLive bound) changed[bound.Tag] = bound.Digest;
            if (operation is Operation.RemoveTag removed) changed[removed.Tag] = default;
            if (operation is not Operation.RemoveManifest manifest) continue;
            // With a manifest, the upstream removes its tags.
            await foreach (var tag in _stored.TagsOfAsync(manifest.Digest)) changed[tag] = default;
        }
        return changed;
    }

    private async ValueTask<Result<StoredManifest>> ReadAbsentAsync(Digest digest, CancellationToken cancellationToken)
    {
        var cached = await _stored.ReadManifestAsync(digest, cancellationToken);
        return cached is Result<StoredManifest>.Absent ? await _manifests.ReadAsync(digest, cancellationToken) : FromCache(cached);
    }

    private async ValueTask<Result<IContent>> OpenAbsentAsync(
        ValueTask<Result<IContent>> opening, Digest digest, BlobUse use, CancellationToken cancellationToken)
    {
        var cached = await opening;
        return cached is Result<IContent>.Absent ? await _blobs.OpenAsync(digest, use, cancellationToken) : FromCache(cached);
    }

    private Result<T> FromCache<T>(Result<T> result) => result with { Handling = result.Handling with { Upstream = _source.Key } };

    private void Count<T>(string kind, Result<T> result) => PullThroughMetrics.Request(_source.Key, kind, result switch
    {
        Result<T>.Absent => "absent",
        Result<T>.Unavailable => "unavailable",
        { Handling.IsHit: true } => "hit",
        { Handling.Collapsed: true } => "coalesced",
        _ => "miss",
    });
}
