using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>
/// Staged content in front of a pull-through backing. Each read looks into both, the staged repository first. It is read-only.
/// </summary>
internal sealed class StagedOverlay(StoredRepository staged, IBacking pulled) : IBacking
{
    public IOtherReplicas? Others => pulled.Others;

    /// <summary>Adds a held push to what the upstream says, also if the upstream does not answer.</summary>
    public async ValueTask<Result<TagState>> ResolveAsync(TagName tag, CancellationToken cancellationToken)
    {
        var here = staged.Live(tag);
        if (here is { Live.IsEmpty: false }) return new Result<TagState>.Found(here, CacheHandling.Hit);
        var there = await pulled.ResolveAsync(tag, cancellationToken);
        if (here?.Held is not { } offer) return there;
        return there is Result<TagState>.Found found
            ? found with { Value = found.Value with { Held = offer } }
            : new Result<TagState>.Found(here, there.Handling);
    }

    public async ValueTask<Result<TaggedManifest>> ReadTagAsync(TagName tag, bool isForClient, CancellationToken cancellationToken)
    {
        if (staged.Live(tag) is not null) return TaggedManifest.Of(await ResolveAsync(tag, cancellationToken));
        var there = await pulled.ReadTagAsync(tag, isForClient, cancellationToken);
        // A staged manifest is read from the staged root, where its verdict is.
        return there is Result<TaggedManifest>.Found { Value.Manifest.Digest: var digest } found && IsStaged(LinkKind.Manifest, digest)
            ? found with { Value = found.Value with { Manifest = null } }
            : there;
    }

    public async ValueTask<Result<StoredManifest>> ReadManifestAsync(Digest digest, CancellationToken cancellationToken)
    {
        var here = await staged.ReadManifestAsync(digest, cancellationToken);
        if (here is Result<StoredManifest>.Found) return here;
        var there = await pulled.ReadManifestAsync(digest, cancellationToken);
        return there is Result<StoredManifest>.Absent && here is Result<StoredManifest>.Unavailable ? here : there;
    }

    public async ValueTask<Result<IContent>> OpenBlobAsync(Digest digest, BlobUse use, CancellationToken cancellationToken)
    {
        var here = await staged.OpenBlobAsync(digest, use, cancellationToken);
        if (here is Result<IContent>.Found) return here;
        var there = await pulled.OpenBlobAsync(digest, use, cancellationToken);
        return there is Result<IContent>.Absent && here is Result<IContent>.Unavailable ? here : there;
    }

    /// <summary>Counts only requests for content that is not staged.</summary>
    public void Requested(Digest digest, Result<StoredManifest> result)
    {
        if (!IsStaged(LinkKind.Manifest, digest)) pulled.Requested(digest, result);
    }

    /// <summary>Counts only requests for content that is not staged: staged content has no upstream.</summary>
    public void Requested(Result<IContent> result)
    {
        if (result.Handling.Upstream is not null) pulled.Requested(result);
    }

    public ValueTask<bool> HasBytesAsync(LinkKind kind, Digest digest, long size, CancellationToken cancellationToken) =>
        IsStaged(kind, digest)
            ? staged.HasBytesAsync(kind, digest, size, cancellationToken)
            : pulled.HasBytesAsync(kind, digest, size, cancellationToken);

    /// <summary>Damaged staged content may be at the upstream.</summary>
    public async ValueTask<Prefetched> PrefetchAsync(Descriptor blob, CancellationToken cancellationToken) =>
        IsStaged(LinkKind.Blob, blob.Digest) && await staged.PrefetchAsync(blob, cancellationToken) is { Problem: null } here
            ? here
            : await pulled.PrefetchAsync(blob, cancellationToken);

    public async ValueTask<Link?> ReadLinkAsync(Digest digest, LinkKind kind, CancellationToken cancellationToken) =>
        await staged.ReadLinkAsync(digest, kind, cancellationToken) is { } link
            ? link
            : await pulled.ReadLinkAsync(digest, kind, cancellationToken);

    public async ValueTask<Result<IReadOnlyList<Descriptor>>> ReferrersAsync(Digest subject, CancellationToken cancellationToken)
    {
        var there = await pulled.ReferrersAsync(subject, cancellationToken);
        var here = await staged.ReferrersAsync(subject, cancellationToken);
        if (here is not Result<IReadOnlyList<Descriptor>>.Found { Value: { Count: > 0 } waiting }) return there;
        if (there is not Result<IReadOnlyList<Descriptor>>.Found both) return here;
        var all = both.Value.Concat(waiting).DistinctBy(d => d.Digest).OrderBy(d => d.Digest);
        return both with { Value = [.. all.Take(IBacking.MaxReferrers)] };
    }

    public async ValueTask<Result<IReadOnlyList<Digest>>> EvidenceAsync(Digest subject, CancellationToken cancellationToken)
    {
        var here = EvidenceNotes.List(staged, subject);
        var there = await pulled.EvidenceAsync(subject, cancellationToken);
        if (here.Count == 0) return there;
        return there is Result<IReadOnlyList<Digest>>.Found both
            ? both with { Value = [.. here.Union(both.Value)] }
            : new Result<IReadOnlyList<Digest>>.Found(
                here, there.Handling with { Incomplete = (there as Result<IReadOnlyList<Digest>>.Unavailable)?.Why });
    }

    public async ValueTask<IReadOnlyList<Digest>> SubjectsOfAsync(Digest evidence) =>
        [.. staged.SubjectsOf(evidence).Union(await pulled.SubjectsOfAsync(evidence))];

    /// <summary>Only staged evidence: the gateway does not remove content at the upstream.</summary>
    public IAsyncEnumerable<(Digest Evidence, Digest Subject)> OrphansAsync() => staged.OrphansAsync();

    // Both numbers only rise, so their sum changes whenever one of them does, although each counts for itself.
    public long VersionOf(Digest subject) => staged.VersionOf(subject) + pulled.VersionOf(subject);

    public long Version => staged.Version + pulled.Version;

    public long Additions => staged.Additions;

    public long Lost => staged.Lost + pulled.Lost;

    public async ValueTask<bool> HasCountedEvidenceAsync(Digest subject) =>
        await staged.HasCountedEvidenceAsync(subject) || await pulled.HasCountedEvidenceAsync(subject);

    public async ValueTask<IReadOnlyCollection<Digest>> IndexesOfAsync(Digest child) =>
        [.. (await staged.IndexesOfAsync(child)).Union(await pulled.IndexesOfAsync(child))];

    public async ValueTask<DateTimeOffset?> FirstSeenAsync(Digest digest) =>
        (staged.FirstSeen(digest), await pulled.FirstSeenAsync(digest)) switch
    {
        ({ } here, { } there) => here < there ? here : there,
        var (here, there) => here ?? there,
    };

    public IReadOnlyList<HeldPush> HeldPushes() => staged.HeldPushes();

    public IAsyncEnumerable<TagName> TagsOfAsync(Digest digest) => staged.TagsOfAsync(digest).Union(pulled.TagsOfAsync(digest));

    public Digest LiveOf(TagName tag) => staged.LiveOf(tag) is { IsEmpty: false } here ? here : pulled.LiveOf(tag);

    public IReadOnlyList<Digest> HistoryOf(TagName tag) => pulled.HistoryOf(tag);

    public IReadOnlyList<Digest> EarlierOf(TagName tag) => pulled.EarlierOf(tag);

    public async ValueTask<Result<Page<TagName>>> TagsAfterAsync(string? last, int count, CancellationToken cancellationToken)
    {
        var there = await pulled.TagsAfterAsync(last, count, cancellationToken);
        if (await staged.TagsAfterAsync(last, count, cancellationToken) is not Result<Page<TagName>>.Found { Value: var here }
            || there is Result<Page<TagName>>.Unavailable || (here.Items.Count == 0 && there is Result<Page<TagName>>.Found))
            return there;
        return there is Result<Page<TagName>>.Found both
            ? both with { Value = Merge(both.Value, here, count) }
            : new Result<Page<TagName>>.Found(here, there.Handling);
    }

    // A page that is cut says nothing about tags after its last one, so the merged page ends at the earlier of the two ends.
    private static Page<TagName> Merge(Page<TagName> one, Page<TagName> other, int count)
    {
        var ends = new[] { one, other }.Where(p => p.More && p.Items.Count > 0).Select(p => p.Items[^1].Value);
        var end = ends.Min(StringComparer.Ordinal);
        var all = one.Items.Union(other.Items).OrderBy(t => t.Value, StringComparer.Ordinal)
            .TakeWhile(t => end is null || string.CompareOrdinal(t.Value, end) <= 0).ToList();
        return new([.. all.Take(count)], one.More || other.More || all.Count > count);
    }

    public bool IsPushed(Digest manifest) => IsStaged(LinkKind.Manifest, manifest);

    public IAsyncEnumerable<Digest> ManifestsAsync(DigestAlgorithm? algorithm = null) =>
        staged.ManifestsAsync(algorithm).Union(pulled.ManifestsAsync(algorithm));

    public IRepositoryUploads? Uploads => staged.Uploads;

    /// <summary>Throws <see cref="StoreReadOnlyException"/>.</summary>
    public ValueTask<CommitResult> CommitAsync(Change change, CancellationToken cancellationToken) =>
        throw new StoreReadOnlyException($"repository {staged.Path} is open read-only here; commit through the fronted repository");

    private bool IsStaged(LinkKind kind, Digest digest) => staged.FindLink(kind, digest) is not null;
}
