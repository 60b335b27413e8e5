using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// Manifests that were just received from an upstream and are not stored: the gate has not evaluated them yet, or has refused them. Without
/// this cache, each request for a refused tag would cost one more GET at the upstream, which Docker Hub counts.
/// </summary>
internal sealed class RecentManifests(TimeProvider clock)
{
    // 64 documents of at most 4 MiB; most have some KiB.
    private const int Max = 64;
    private const long LargestStored = 256 * 1024;
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    // Chosen: a digest names the same bytes forever, but an upstream that sent a wrong size may be repaired. One entry has about 500 bytes.
    private const int MaxRefusals = 4096;
    private static readonly TimeSpan RefusalLifetime = TimeSpan.FromHours(1);

    private readonly ExpiringMap<Key, StoredManifest> _manifests = new(Max, clock);
    private readonly ExpiringMap<Key, UpstreamException> _refusals = new(MaxRefusals, clock);

    // The limits are part of the key, because a manifest that was read with other limits may have another result.
    private readonly record struct Key(string Upstream, RepositoryName Name, Digest Digest, ManifestLimits Limits);

    public StoredManifest? Find(UpstreamRepository source, Digest digest, ManifestLimits limits) =>
        _manifests.TryGet(KeyOf(source, digest, limits), out var manifest) ? manifest : null;

    /// <summary>Why a manifest can never be accepted; null if that is not known.</summary>
    public UpstreamException? FindRefusal(UpstreamRepository source, Digest digest, ManifestLimits limits) =>
        _refusals.TryGet(KeyOf(source, digest, limits), out var why) ? why : null;

    /// <summary>
    /// Remembers that a manifest can never be accepted. Otherwise each further request would cost one GET, which Docker Hub counts.
    /// </summary>
    public void Refuse(UpstreamRepository source, Digest digest, ManifestLimits limits, UpstreamException why) =>
        _refusals.Set(KeyOf(source, digest, limits), why, RefusalLifetime);

    /// <summary>Adds a manifest. A very large one stays only until the gate has read it once, some seconds.</summary>
    public void Add(UpstreamRepository source, ManifestLimits limits, StoredManifest manifest) =>
        _manifests.Set(
            KeyOf(source, manifest.Digest, limits), manifest,
            manifest.Bytes.Length <= LargestStored ? Lifetime : TimeSpan.FromSeconds(5));

    /// <summary>Removes a manifest that the upstream no longer has.</summary>
    public void Remove(UpstreamRepository source, Digest digest, ManifestLimits limits) => _manifests.Remove(KeyOf(source, digest, limits));

    public void Clear()
    {
        _manifests.Clear();
        _refusals.Clear();
    }

    private static Key KeyOf(UpstreamRepository source, Digest digest, ManifestLimits limits) =>
        new(source.Key, source.Name, digest, limits);
}
