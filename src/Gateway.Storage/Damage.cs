using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Content whose file does not have its digest. A damaged cached file is removed, and the next request fetches it again. A damaged pushed
/// or staged file stays on the disk, is not served, and is counted until the same content is pushed again. Damage is detected when the
/// content is requested.
/// </summary>
public sealed class Damage : IDisposable
{
    /// <summary>
    /// The largest number of damaged files in memory; a request for any further one reads it again. Chosen: a volume with more needs a
    /// restore.
    /// </summary>
    private const int MaxKnown = 4096;

    private readonly ConcurrentDictionary<(Lifetime Lifetime, Digest Digest), FileFacts> _known = new();
    private readonly Meter _meter = new("Gateway.Storage.Damage");
    private readonly Counter<long> _found;
    private readonly ILogger _logger;

    /// <summary>Creates a record without known damage.</summary>
    internal Damage(ILogger logger)
    {
        _logger = logger;
        _found = _meter.CreateCounter<long>(
            "gateway.storage.damage.found", description: "Files whose bytes did not have their digest; a cached one is fetched again.");
        _meter.CreateObservableGauge(
            "gateway.storage.damaged", () => (long)Count,
            description: "Pushed blobs and manifests that are damaged on the disk and not served.");
    }

    /// <summary>The number of pushed and staged files that are known to be damaged.</summary>
    public int Count => _known.Count;

    /// <summary>One line for the operator; null while nothing is damaged.</summary>
    public string? Warning => _known.Keys.Select(key => key.Digest).FirstOrDefault() is { IsEmpty: false } one
        ? $"{Count} pushed blobs or manifests are damaged on the disk, such as {one}; they are not served; push them again or restore them"
        : null;

    /// <summary>Whether a root's file of some content is known to be damaged, and has not changed since.</summary>
    internal bool IsKnown(Root root, Digest digest)
    {
        if (_known.IsEmpty || !_known.TryGetValue((root.Lifetime, digest), out var then)) return false;
        if (Disk.Find(root.Data(digest)) is { } now && now.Length == then.Length && now.Written == then.Written) return true;
        Healed(root, digest);
        return false;
    }

    /// <summary>Forgets the damage of a root's file, which has been replaced.</summary>
    internal void Healed(Root root, Digest digest) => _known.TryRemove((root.Lifetime, digest), out _);

    /// <summary>
    /// Records that a root's file does not have its digest. False when the file is gone. A cached file is only counted: the caller removes
    /// it, and it is fetched again.
    /// </summary>
    internal bool Found(Root root, Digest digest)
    {
        if (Disk.Find(root.Data(digest)) is not { } file) return false;
        _found.Add(1, new KeyValuePair<string, object?>("root", root.Lifetime.ToString().ToLowerInvariant()));
        if (root.Lifetime == Lifetime.Cached)
        {
            Log.CacheDamaged(_logger, digest, file.Length);
            return true;
        }
        Log.Damaged(_logger, digest, file.Length, root.Data(digest));
        if (_known.Count < MaxKnown) _known[(root.Lifetime, digest)] = file;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();
}
