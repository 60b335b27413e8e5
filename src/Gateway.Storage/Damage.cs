using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>The result of reading some content whole.</summary>
/// <param name="Length">Bytes of a file whose digest is right; null when no root has one.</param>
/// <param name="IsDamaged">Whether a pushed or staged file, which no upstream can replace, has another digest.</param>
internal readonly record struct Examined(long? Length, bool IsDamaged);

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

    // Bytes that are read and hashed at a time, as in fetches.
    private const int BufferSize = 256 * 1024;

    private readonly ConcurrentDictionary<(Lifetime Lifetime, Digest Digest), FileFacts> _known = new();
    private readonly ConcurrentDictionary<Digest, Lazy<Task<Examined>>> _running = new();
    private readonly Meter _meter = new("Gateway.Storage.Damage");
    private readonly Counter<long> _found;
    private readonly Volume _volume;

    /// <summary>Creates a record without known damage.</summary>
    public Damage(Volume volume)
    {
        _volume = volume;
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
    /// Reads some content from every root that has it. The digest decides whether the bytes or the recorded length is wrong. Concurrent
    /// callers share one reading.
    /// </summary>
    internal Task<Examined> ExamineAsync(Digest digest) =>
        _running.GetOrAdd(digest, d => new(() => Task.Run(() => Examine(d)))).Value;

    private Examined Examine(Digest digest)
    {
        try
        {
            var result = new Examined(null, false);
            foreach (var root in _volume.Roots)
            {
                if (Disk.LengthOf(root.Data(digest)) is not { } length) continue;
                if (IsKnown(root, digest)) result = result with { IsDamaged = true };
                else if (HasDigest(root, digest)) result = result with { Length = length };
                else if (Found(root, digest)) result = result with { IsDamaged = true };
            }
            return result;
        }
        finally
        {
            _running.TryRemove(digest, out _);
        }
    }

    private static bool HasDigest(Root root, Digest digest)
    {
        using var file = Disk.Open(root.Data(digest));
        if (file is null) return false;
        using var hash = new ContentHash(digest.Algorithm);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            for (long at = 0; RandomAccess.Read(file, buffer, at) is var read and > 0; at += read) hash.AppendData(buffer, 0, read);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return Digest.FromHash(digest.Algorithm, hash.GetCurrentHash()) == digest;
    }

    /// <summary>
    /// Records that a root's file does not have its digest. False when the file was removed, because it can be fetched again.
    /// </summary>
    internal bool Found(Root root, Digest digest)
    {
        if (Disk.Find(root.Data(digest)) is not { } file) return false;
        _found.Add(1, new KeyValuePair<string, object?>("root", root.Lifetime.ToString().ToLowerInvariant()));
        if (root.Lifetime == Lifetime.Cached)
        {
            Log.CacheDamaged(_volume.Logger, digest, file.Length);
            _volume.Eviction.Purge(digest);
            return false;
        }
        Log.Damaged(_volume.Logger, digest, file.Length, root.Data(digest));
        _volume.OpenFiles.Forget(root.Lifetime, digest);
        if (_known.Count < MaxKnown) _known[(root.Lifetime, digest)] = file;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();
}
