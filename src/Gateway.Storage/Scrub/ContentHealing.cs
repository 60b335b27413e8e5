namespace Gateway.Storage;

/// <summary>Damaged content that a scrub wants to be fetched from an upstream.</summary>
/// <param name="Places">
/// Repositories of upstreams, by the folder of the upstream and the upstream's own name: those that gave this digest to the gateway, and
/// those that a push of it was accepted for. No other upstream is asked, because the question tells it the digest.
/// </param>
public sealed record WantedContent(Digest Digest, bool IsManifest, IReadOnlyList<CachedRepositories.Entry> Places);

/// <summary>
/// Fetches content into the cache as a client with all rights would. Returns null when the cache has it, and otherwise why not: one
/// sentence.
/// </summary>
public delegate ValueTask<string?> FetchAgain(WantedContent wanted, CancellationToken stop);

/// <summary>
/// Puts whole bytes in the place of damaged ones: the file that was set aside, if it was only unreadable for a moment; the manifest in
/// memory; the file of another root; or what an upstream sends. The digest decides each time.
/// </summary>
internal sealed class ContentHealing(
    Roots roots, VolumeContent content, Damage damage, FetchAgain? fetch, ILogger logger)
{
    /// <summary>
    /// The largest number of repositories that are asked for one content. Chosen: upstreams mostly agree on what they have.
    /// </summary>
    private const int MaxPlaces = 8;

    /// <summary>Removing links takes milliseconds. Chosen: a scrub goes on beside an eviction that never ends.</summary>
    private static readonly TimeSpan LinksWithin = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The repositories of upstreams that link some content. Looked up before damaged content leaves the cache, because its links go too.
    /// </summary>
    public WantedContent Want(Digest digest)
    {
        var (places, isManifest) = (new List<CachedRepositories.Entry>(), false);
        foreach (var root in fetch is null ? [] : (Root[])[roots.Cached, roots.Staged])
        {
            foreach (var place in CachedRepositories.In(root))
            {
                var hasManifest = Disk.HasFile(root.ManifestLink(place.ToString(), digest));
                if (!hasManifest && !Disk.HasFile(root.BlobLink(place.ToString(), digest))) continue;
                isManifest |= hasManifest;
                if (!places.Contains(place)) places.Add(place);
                if (places.Count == MaxPlaces) return new(digest, isManifest, places);
            }
        }
        return new(digest, isManifest, places);
    }

    /// <summary>Whether a file that was set aside has the right bytes, and is in its place again.</summary>
    public bool BringBack(Lifetime lifetime, Digest digest) =>
        content.Of(lifetime) is ContentFiles files && files.BringBack(digest) is not null;

    /// <summary>Heals content of a root. Returns null when it is whole again, and otherwise why not: one sentence.</summary>
    /// <param name="known">The manifest as it is in memory; null for none.</param>
    /// <param name="elsewhere">Bytes of the content in another root, whose digest is right; null for none.</param>
    public async Task<string?> HealAsync(
        Lifetime lifetime, WantedContent wanted, StoredManifest? known, long? elsewhere, CancellationToken stop)
    {
        try
        {
            var why = await TryHealAsync(lifetime, wanted, known, elsewhere, stop);
            if (why is null) Log.Healed(logger, wanted.Digest, Scrubber.NameOf(lifetime));
            return why;
        }
        catch (IOException e)
        {
            Log.NotHealed(logger, e, wanted.Digest);
            return Disk.WhyOf(e);
        }
    }

    private async Task<string?> TryHealAsync(
        Lifetime lifetime, WantedContent wanted, StoredManifest? known, long? elsewhere, CancellationToken stop)
    {
        var digest = wanted.Digest;
        if (lifetime != Lifetime.Cached)
        {
            if (BringBack(lifetime, digest)) return null;
            if (known is not null && Digest.Of(known.Bytes.Span, digest.Algorithm) == digest)
            {
                await content.WriteAsync(lifetime, digest, known.Bytes, stop);
                return null;
            }
            if (elsewhere is { } length)
            {
                await content.BorrowAsync(lifetime, digest, length, stop);
                return null;
            }
        }
        if (fetch is null || wanted.Places.Count == 0) return "no upstream is known to have it";
        await content.LinksRemovedAsync(LinksWithin, stop);
        if (await fetch(wanted, stop) is { } why) return why;
        if (lifetime == Lifetime.Cached) return null;
        // The fetch checked the digest.
        await content.BorrowAsync(lifetime, digest, -1, stop);
        var root = lifetime == Lifetime.Pushed ? roots.Pushed : roots.Staged;
        return damage.IsAside(root, digest) ? "the fetched bytes were not stored" : null;
    }
}
