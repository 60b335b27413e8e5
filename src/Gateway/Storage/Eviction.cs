using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Keeps what is cached below its size: removes what was used longest ago, one blob at a time, never what a client pushed. A reader of
/// removed content keeps it until it is done; for everybody else it is a miss.
/// </summary>
internal sealed class Eviction(Volume volume, LinkIndex index, ILogger logger)
{
    /// <summary>Down to this share of the limit at one go, so that the folders are walked once for many fetches.</summary>
    private const double LowWater = 0.9;

    /// <summary>
    /// Content up to this size goes last: manifests and configs hold little room, and are what a tag is good for when the upstream is gone
    /// (manifests up to 64 KiB are also what the journal inlines).
    /// </summary>
    private const long Small = JournalRecord.MaxInline;

    private int _running;
    private long _bytes = -1;

    /// <summary>Bytes of cached content allowed; what clients pushed does not count, also where both have it.</summary>
    public long MaxBytes { get; set; } = long.MaxValue;

    /// <summary>Bytes of cached content, as far as they have been counted; -1 before the first count.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    private sealed record Cached(string File, Digest Digest, long Size, long LastUse);

    /// <summary>Counts what has just been published, and makes room when it was too much. Runs behind the request.</summary>
    public void Published(long size)
    {
        if (Bytes >= 0 && Interlocked.Add(ref _bytes, size) <= MaxBytes) return;
        _ = Task.Run(MakeRoom);
    }

    /// <summary>Counts all that is cached, and removes the least recently used of it where that is more than allowed.</summary>
    public void MakeRoom()
    {
        if (Interlocked.Exchange(ref _running, 1) == 1) return;
        try
        {
            var cached = Walk().ToList();
            var bytes = cached.Sum(c => c.Size);
            if (bytes > MaxBytes)
            {
                foreach (var oldest in cached.OrderBy(c => c.Size <= Small).ThenBy(c => c.LastUse))
                {
                    if (bytes <= MaxBytes * LowWater) break;
                    Remove(oldest);
                    bytes -= oldest.Size;
                }
            }
            Interlocked.Exchange(ref _bytes, bytes);
        }
        catch (IOException e)
        {
            Log.EvictionFailed(logger, e);
        }
        finally
        {
            Volatile.Write(ref _running, 0);
        }
    }

    private void Remove(Cached content)
    {
        File.Delete(content.File);
        volume.OpenFiles.Forget(Lifetime.Cached, content.Digest);
        index.Remove(content.Digest);
    }

    private IEnumerable<Cached> Walk()
    {
        if (!Directory.Exists(volume.CachedRoot.Blobs)) yield break;
        foreach (var data in Directory.EnumerateFiles(volume.CachedRoot.Blobs, "data", SearchOption.AllDirectories))
        {
            var hex = Path.GetFileName(Path.GetDirectoryName(data))!;
            if (!Digest.TryParse($"{(hex.Length == 128 ? "sha512" : "sha256")}:{hex}", out var digest)
                || File.Exists(volume.KeptRoot.Data(digest)))
                continue;
            var file = new FileInfo(data);
            if (!file.Exists) continue;
            var written = new DateTimeOffset(file.LastWriteTimeUtc).ToUnixTimeSeconds();
            yield return new(
                data, digest, file.Length, index.TryRead(digest, out var record) ? Math.Max(record.LastUse, written) : written);
        }
    }
}
