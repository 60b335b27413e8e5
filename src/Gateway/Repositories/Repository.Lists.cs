using Gateway.Access;
using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Lists: nothing is in them that the caller could not get.</summary>
internal sealed partial class Repository
{
    /// <summary>
    /// Manifests that are looked at for one that makes a repository without tags worth naming. Chosen: a push by digest is soon tagged.
    /// </summary>
    private const int MostLookedAt = 64;

    /// <summary>How long it is believed that there is nothing to name where nothing changes: an age may be reached by then.</summary>
    private static readonly TimeSpan UnlistedFor = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Whether a list of repositories names this one to who may pull here: there is something in it that he could get. Null where the list
    /// has looked at as many manifests as it may.
    /// </summary>
    public async ValueTask<bool?> IsListedAsync(Caller caller, CatalogLooks looks, CancellationToken cancellationToken)
    {
        if (IsKnownPusher(caller)) return true;
        if (await ShownTagsAsync(caller, null, 1, cancellationToken) is Result<Page<TagName>>.Found { Value.Items.Count: > 0 }) return true;
        var (basis, now) = (judge.BasisOf(backing), clock.GetUtcNow());
        if (looks.IsUnlisted(Name, basis, now)) return false;
        await foreach (var digest in backing.ManifestsAsync().Take(MostLookedAt).WithCancellation(cancellationToken))
        {
            if (!looks.TryTake()) return null;
            var read = await backing.ReadManifestAsync(digest, cancellationToken);
            if (read is Result<StoredManifest>.Found { Value: { IsStored: true } stored }
                && (await judge.OfStoredAsync(backing, Name, stored, null, cancellationToken)).Admits)
                return true;
        }
        looks.NoteUnlisted(Name, basis, now + UnlistedFor);
        return false;
    }

    /// <summary>
    /// Tags after <paramref name="last"/>, at most <paramref name="count"/>; for those who may push also the tags that wait.
    /// </summary>
    public async ValueTask<Answer<Page<TagName>>> TagsAsync(Caller caller, string? last, int count, CancellationToken cancellationToken) =>
        !caller.MayPull ? new Answer<Page<TagName>>.Absent(CacheHandling.Local)
        : await ShownTagsAsync(caller, last, count, cancellationToken) switch
        {
            Result<Page<TagName>>.Found found when IsKnownPusher(caller) =>
                new Answer<Page<TagName>>.Found(WithWaiting(found.Value, last, count), found.Handling),
            Result<Page<TagName>>.Found found => new Answer<Page<TagName>>.Found(found.Value, found.Handling),
            Result<Page<TagName>>.Unavailable no => new Answer<Page<TagName>>.Unavailable(no.RetryAfter, no.Why, no.Handling),
            var no => new Answer<Page<TagName>>.Absent(no.Handling),
        };

    /// <summary>The tags without those of evidence about what waits: their names are its digest.</summary>
    private async ValueTask<Result<Page<TagName>>> ShownTagsAsync(
        Caller caller, string? last, int count, CancellationToken cancellationToken)
    {
        var read = await backing.TagsAfterAsync(last, count, cancellationToken);
        if (judge.Engine.AdmitsEverything || !takesPushes || IsKnownPusher(caller)) return read;
        var shown = new List<TagName>();
        while (read is Result<Page<TagName>>.Found { Value: var page } found)
        {
            foreach (var tag in page.Items)
            {
                var subject = EvidenceTag.Parse(tag)?.Subject ?? default;
                if (subject.IsEmpty || await judge.OfHeldAsync(backing, Name, subject, cancellationToken) is null) shown.Add(tag);
            }
            if (shown.Count >= count || !page.More || page.Items.Count == 0)
                return found with { Value = new([.. shown.Take(count)], page.More || shown.Count > count) };
            // Some were left out: the page is filled, or a client would take it for the last.
            read = await backing.TagsAfterAsync(page.Items[^1].Value, count, cancellationToken);
        }
        return read;
    }

    private Page<TagName> WithWaiting(Page<TagName> live, string? last, int count)
    {
        var now = clock.GetUtcNow();
        var waiting = backing.HeldPushes().Where(o => o.Expires > now && string.CompareOrdinal(o.Tag.Value, last) > 0).Select(o => o.Tag);
        var all = live.Items.Union(waiting).OrderBy(t => t.Value, StringComparer.Ordinal).ToList();
        // Behind a page that goes on, the next one has what comes after its last live tag.
        var page = live.More && live.Items.Count > 0
            ? all.TakeWhile(t => string.CompareOrdinal(t.Value, live.Items[^1].Value) <= 0).ToList()
            : all;
        return new([.. page.Take(count)], live.More || page.Count > count);
    }

    /// <summary>
    /// Referrers of a subject after <paramref name="last"/> (a digest), of one artifact type where one is given; found and empty for an
    /// unknown subject. What waits is there for those who may push alone.
    /// </summary>
    public async ValueTask<Answer<ReferrersPage>> ReferrersAsync(
        Caller caller, Digest subject, string? artifactType, string? last, CancellationToken cancellationToken)
    {
        if (!caller.MayPull) return new Answer<ReferrersPage>.Absent(CacheHandling.Local);
        switch (await backing.ReferrersAsync(subject, cancellationToken))
        {
            case Result<IReadOnlyList<Descriptor>>.Found found:
                var shown = judge.Engine.AdmitsEverything || IsKnownPusher(caller) ? found.Value
                    : await judge.OfHeldAsync(backing, Name, subject, cancellationToken) is not null ? []
                    : await AdmittedAsync(found.Value, cancellationToken);
                return new Answer<ReferrersPage>.Found(ReferrersPage.Cut(shown, artifactType, last), found.Handling);
            case Result<IReadOnlyList<Descriptor>>.Unavailable no:
                return new Answer<ReferrersPage>.Unavailable(no.RetryAfter, no.Why, no.Handling);
            // The upstream refused this client: he must not take that for "none".
            case { Handling: { UpstreamStatus: not null } refused }:
                return new Answer<ReferrersPage>.Absent(refused);
            case var no:
                return new Answer<ReferrersPage>.Found(new([], false), no.Handling);
        }
    }

    /// <summary>Those of a list that pullers may have; what is not here yet is judged when it is fetched.</summary>
    private async ValueTask<IReadOnlyList<Descriptor>> AdmittedAsync(
        IReadOnlyList<Descriptor> referrers, CancellationToken cancellationToken)
    {
        var admitted = new List<Descriptor>(referrers.Count);
        foreach (var referrer in referrers)
        {
            var isHidden = await backing.ReadLinkAsync(referrer.Digest, LinkKind.Manifest, cancellationToken) is not null
                && await backing.ReadManifestAsync(referrer.Digest, cancellationToken) is Result<StoredManifest>.Found { Value: var stored }
                && !(await judge.OfStoredAsync(backing, Name, stored, null, cancellationToken)).Admits;
            if (!isHidden) admitted.Add(referrer);
        }
        return admitted;
    }
}
