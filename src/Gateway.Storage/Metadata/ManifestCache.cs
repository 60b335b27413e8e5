namespace Gateway.Storage;

/// <summary>
/// Recently read manifests by digest. The bytes of a digest cannot change, so no entry is ever out of date. It does not decide whether a
/// repository has a manifest.
/// </summary>
internal sealed class ManifestCache
{
    /// <summary>The total bytes of stored documents. Chosen: thousands of usual ones, which have some KiB.</summary>
    private const long Capacity = 32 << 20;

    /// <summary>Larger documents are read each time, so that a few cannot displace all others.</summary>
    private const int Largest = 256 * 1024;

    /// <summary>The approximate memory of a parsed manifest beyond its bytes: descriptors and their strings.</summary>
    private const int Overhead = 2048;

    private readonly Lock _lock = new();
    private readonly Dictionary<Digest, LinkedListNode<StoredManifest>> _byDigest = [];
    private readonly LinkedList<StoredManifest> _recent = [];
    private long _bytes;

    public StoredManifest? Find(Digest digest)
    {
        lock (_lock)
        {
            if (!_byDigest.TryGetValue(digest, out var node)) return null;
            if (!ReferenceEquals(_recent.First, node))
            {
                _recent.Remove(node);
                _recent.AddFirst(node);
            }
            return node.Value;
        }
    }

    public void Add(StoredManifest manifest)
    {
        if (manifest.Bytes.Length > Largest) return;
        lock (_lock)
        {
            if (_byDigest.ContainsKey(manifest.Digest)) return;
            _byDigest.Add(manifest.Digest, _recent.AddFirst(manifest));
            _bytes += manifest.Bytes.Length + Overhead;
            while (_bytes > Capacity && _recent.Last is { } last) Drop(last);
        }
    }

    public void Remove(Digest digest)
    {
        lock (_lock)
        {
            if (_byDigest.TryGetValue(digest, out var node)) Drop(node);
        }
    }

    private void Drop(LinkedListNode<StoredManifest> node)
    {
        _recent.Remove(node);
        _byDigest.Remove(node.Value.Digest);
        _bytes -= node.Value.Bytes.Length + Overhead;
    }
}
