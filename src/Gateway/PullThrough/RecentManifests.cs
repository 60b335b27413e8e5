using Gateway.Oci;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// Manifests that came from an upstream a moment ago and are not kept: the gate has yet to judge them, or refused them. Without this, each
/// request for a refused tag would be one more GET at the upstream, which Docker Hub counts.
/// </summary>
internal sealed class RecentManifests(TimeProvider clock)
{
    // 64 documents of at most 4 MiB; most have some KiB.
    private const int Max = 64;
    private const long LargestStored = 256 * 1024;
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    // Chosen: what is remembered here never changes at the upstream; but one that lied about a size may be mended. One entry has some 500
    // bytes.
    private const int MaxRefusals = 4096;
    private static readonly TimeSpan RefusalLifetime = TimeSpan.FromHours(1);

    private readonly ExpiringMap<Key, StoredManifest> _manifests = new(Max, clock);
    private readonly ExpiringMap<Key, UpstreamException> _refusals = new(MaxRefusals, clock);

    // Other bounds of documents than those that it was read with are another question.
    private readonly record struct Key(string Upstream, RepositoryName Name, Digest Digest, ManifestLimits Limits);

    public StoredManifest? Find(UpstreamRepository source, Digest digest, ManifestLimits limits) =>
        _manifests.TryGet(KeyOf(source, digest, limits), out var manifest) ? manifest : null;

    /// <summary>Why a manifest can never be taken; null when that is not known.</summary>
    public UpstreamException? FindRefusal(UpstreamRepository source, Digest digest, ManifestLimits limits) =>
        _refusals.TryGet(KeyOf(source, digest, limits), out var why) ? why : null;

    /// <summary>
    /// Remembers that a manifest can never be taken: each further question would be one more GET, which Docker Hub counts.
    /// </summary>
    public void Refuse(UpstreamRepository source, Digest digest, ManifestLimits limits, UpstreamException why) =>
        _refusals.Set(KeyOf(source, digest, limits), why, RefusalLifetime);

    /// <summary>Keeps a manifest for a while; a very large one only until the gate has read it once, some seconds.</summary>
    public void Add(UpstreamRepository source, ManifestLimits limits, StoredManifest manifest) =>
        _manifests.Set(
            KeyOf(source, manifest.Digest, limits), manifest,
            manifest.Bytes.Length <= LargestStored ? Lifetime : TimeSpan.FromSeconds(5));

    /// <summary>Forgets one that the upstream has no more.</summary>
    public void Remove(UpstreamRepository source, Digest digest, ManifestLimits limits) => _manifests.Remove(KeyOf(source, digest, limits));

    /// <summary>Forgets all of them.</summary>
    public void Clear()
    {
        _manifests.Clear();
        _refusals.Clear();
    }

    private static Key KeyOf(UpstreamRepository source, Digest digest, ManifestLimits limits) =>
        new(source.Key, source.Name, digest, limits);
}
