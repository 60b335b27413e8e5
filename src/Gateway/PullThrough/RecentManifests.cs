using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.PullThrough;

/// <summary>
/// Manifests that came from an upstream a moment ago and are not kept: the gate has yet to judge them, or refused them. Without this, each
/// request for a refused tag would be one more GET at the upstream, which Docker Hub counts.
/// </summary>
internal sealed class RecentManifests(TimeProvider clock)
{
    // 64 documents of at most 4 MiB; most have some KiB.
    private const int Max = 64;
    private const long LargestKept = 256 * 1024;
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);
    private readonly ExpiringMap<(string Upstream, RepositoryName Name, Digest Digest), StoredManifest> _manifests = new(Max, clock);

    public StoredManifest? Find(UpstreamRepository source, Digest digest) =>
        _manifests.TryGet((source.Key, source.Name, digest), out var manifest) ? manifest : null;

    /// <summary>Keeps a manifest for a while; a very large one only until the gate has read it once, some seconds.</summary>
    public void Add(UpstreamRepository source, StoredManifest manifest) =>
        _manifests.Set(
            (source.Key, source.Name, manifest.Digest), manifest,
            manifest.Bytes.Length <= LargestKept ? Lifetime : TimeSpan.FromSeconds(5));

    /// <summary>Forgets one that the upstream has no more.</summary>
    public void Remove(UpstreamRepository source, Digest digest) => _manifests.Remove((source.Key, source.Name, digest));

    /// <summary>Forgets all of them.</summary>
    public void Clear() => _manifests.Clear();
}
