using Gateway.Access;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Lists of repositories, tags and referrers. They contain only what the caller could pull.</summary>
internal sealed partial class Repository
{
    /// <summary>
    /// Manifests that are evaluated to find out whether a repository without tags is listed. Chosen: what is pushed by digest is soon
    /// tagged.
    /// </summary>
    private const int MostLookedAt = 64;

    /// <summary>How long "not listed" is cached when nothing changes. An age that a rule requires may be reached by then.</summary>
    private static readonly TimeSpan UnlistedFor = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Whether a list of repositories contains this one, for a caller that may pull here: the repository has something that the caller
    /// could pull. Null when the list has evaluated as many manifests as it may.
    /// </summary>
    public async ValueTask<bool?> IsListedAsync(Caller caller, CatalogLooks looks, CancellationToken cancellationToken)
    {
        if (IsKnownPusher(caller)) return true;
        if (await ShownTagsAsync(caller, null, 1, cancellationToken) is Result<Page<TagName>>.Found { Value.Items.Count: > 0 }) return true;
        var (basis, now) = (evaluator.CurrentBasis(), evaluator.Now);
        if (looks.IsUnlisted(Name, basis, now)) return false;
        await foreach (var digest in backing.ManifestsAsync().Take(MostLookedAt).WithCancellation(cancellationToken))
        {
            if (!looks.TryTake()) return null;
            var read = await backing.ReadManifestAsync(digest, cancellationToken);
            if (read is Result<StoredManifest>.Found { Value: { IsStored: true } stored }
                && (await evaluator.OfStoredAsync(stored, null, cancellationToken)).Admits)
                return true;
        }
        looks.NoteUnlisted(Name, basis, now + UnlistedFor);
        return false;
    }

    /// <summary>
    /// Tags after <paramref name="last"/>, at most <paramref name="count"/>; for pushers also the tags of held pushes.
    /// </summary>
    public async ValueTask<Answer<Page<TagName>>> TagsAsync(Caller caller, string? last, int count, CancellationToken cancellationToken) =>
        !caller.MayPull ? new Answer<Page<TagName>>.Absent(CacheHandling.Local)
        : await ShownTagsAsync(caller, last, count, cancellationToken) is var result
            && result is Result<Page<TagName>>.Found found && IsKnownPusher(caller)
            ? new Answer<Page<TagName>>.Found(WithHeld(found.Value, last, count), found.Handling)
            : result.ToAnswer();

    /// <summary>The tags without those of evidence about held content: their names contain its digest.</summary>
    private async ValueTask<Result<Page<TagName>>> ShownTagsAsync(
        Caller caller, string? last, int count, CancellationToken cancellationToken)
    {
        var read = await backing.TagsAfterAsync(last, count, cancellationToken);
        if (evaluator.Engine.AdmitsEverything || !takesPushes || IsKnownPusher(caller)) return read;
        var shown = new List<TagName>();
        while (read is Result<Page<TagName>>.Found { Value: var page } found)
        {
            foreach (var tag in page.Items)
            {
                var subject = EvidenceTag.Parse(tag)?.Subject ?? default;
                if (subject.IsEmpty || await evaluator.OfHeldSubjectAsync(subject, cancellationToken) is null) shown.Add(tag);
            }
            if (shown.Count >= count || !page.More || page.Items.Count == 0)
                return found with { Value = new([.. shown.Take(count)], page.More || shown.Count > count) };
            // Hidden tags were left out. The page is filled up, because clients treat a short page as the last one.
            read = await backing.TagsAfterAsync(page.Items[^1].Value, count, cancellationToken);
        }
        return read;
    }

    private Page<TagName> WithHeld(Page<TagName> live, string? last, int count)
    {
        var now = evaluator.Now;
        var held = backing.HeldPushes().Where(h => h.Expires > now && string.CompareOrdinal(h.Tag.Value, last) > 0).Select(h => h.Tag);
        var all = live.Items.Union(held).OrderBy(t => t.Value, StringComparer.Ordinal).ToList();
        // When more pages follow, the next one has everything after the last live tag of this one.
        var page = live.More && live.Items.Count > 0
            ? all.TakeWhile(t => string.CompareOrdinal(t.Value, live.Items[^1].Value) <= 0).ToList()
            : all;
        return new([.. page.Take(count)], live.More || page.Count > count);
    }

    /// <summary>
    /// Referrers of a subject after <paramref name="last"/> (a digest), of one artifact type if one is given; found and empty for an
    /// unknown subject. Only pushers see held content.
    /// </summary>
    public async ValueTask<Answer<ReferrersPage>> ReferrersAsync(
        Caller caller, Digest subject, string? artifactType, string? last, CancellationToken cancellationToken)
    {
        if (!caller.MayPull) return new Answer<ReferrersPage>.Absent(CacheHandling.Local);
        switch (await backing.ReferrersAsync(subject, cancellationToken))
        {
            case Result<IReadOnlyList<Descriptor>>.Found found:
                var shown = evaluator.Engine.AdmitsEverything || IsKnownPusher(caller) ? found.Value
                    : await evaluator.OfHeldSubjectAsync(subject, cancellationToken) is not null ? []
                    : await AdmittedAsync(found.Value, cancellationToken);
                return new Answer<ReferrersPage>.Found(ReferrersPage.Cut(shown, artifactType, last), found.Handling);
            case Result<IReadOnlyList<Descriptor>>.Unavailable no:
                return no.WithoutValue<IReadOnlyList<Descriptor>, ReferrersPage>();
            // The upstream refused this client, which must not mistake that for an empty list.
            case { Handling: { UpstreamStatus: not null } refused }:
                return new Answer<ReferrersPage>.Absent(refused);
            case var no:
                return new Answer<ReferrersPage>.Found(new([], false), no.Handling);
        }
    }

    /// <summary>The referrers that are admitted. One that is not here yet is evaluated when it is fetched.</summary>
    private async ValueTask<IReadOnlyList<Descriptor>> AdmittedAsync(
        IReadOnlyList<Descriptor> referrers, CancellationToken cancellationToken)
    {
        var admitted = new List<Descriptor>(referrers.Count);
        foreach (var referrer in referrers)
        {
            var isHidden = await backing.ReadLinkedAsync(referrer.Digest, cancellationToken) is { } stored
                && !(await evaluator.OfStoredAsync(stored, null, cancellationToken)).Admits;
            if (!isHidden) admitted.Add(referrer);
        }
        return admitted;
    }
}
