using System.Collections.Concurrent;
using System.Globalization;

namespace Gateway.Storage.Tests;

/// <summary>
/// An object store in memory with the verbs of S3: PUT whole (with If-Match and If-None-Match), PUT by parts, GET of a range, HEAD and
/// DELETE. It has no append, no rename and no list. No call completes at once, as none over a network does.
/// </summary>
internal sealed class MemoryBucket
{
    /// <summary>Bytes of every part of a multipart upload but the last. S3 requires 5 MiB; a test has smaller content.</summary>
    public const int MinPart = 1024;

    private readonly ConcurrentDictionary<string, StoredObject> _objects = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Parts> _uploads = new(StringComparer.Ordinal);
    private long _number;

    /// <summary>The number of parts of multipart uploads that were neither completed nor aborted.</summary>
    public int OpenUploads => _uploads.Count;

    public IEnumerable<string> Keys => _objects.Keys;

    public async ValueTask<string> PutAsync(string key, ReadOnlyMemory<byte> bytes, string? ifMatch = null, bool ifAbsent = false)
    {
        await Task.Yield();
        lock (_objects)
        {
            var now = _objects.GetValueOrDefault(key)?.ETag;
            if (ifAbsent && now is not null) throw new PreconditionFailedException(key);
            if (ifMatch is not null && ifMatch != now) throw new PreconditionFailedException(key);
            return (_objects[key] = New(bytes.ToArray())).ETag;
        }
    }

    /// <summary>The bytes of a range, fewer where the object ends; null when there is no object.</summary>
    public async ValueTask<(ReadOnlyMemory<byte> Bytes, string ETag)?> GetAsync(string key, long from, long count)
    {
        await Task.Yield();
        if (!_objects.TryGetValue(key, out var found)) return null;
        var start = (int)Math.Min(from, found.Bytes.Length);
        return (found.Bytes.AsMemory(start, (int)Math.Min(count, found.Bytes.Length - start)), found.ETag);
    }

    public async ValueTask<StoredObject?> HeadAsync(string key)
    {
        await Task.Yield();
        return _objects.GetValueOrDefault(key);
    }

    public async ValueTask DeleteAsync(string key)
    {
        await Task.Yield();
        _objects.TryRemove(key, out _);
    }

    public async ValueTask<string> CreateMultipartAsync(string key)
    {
        await Task.Yield();
        var id = Number();
        _uploads[id] = new(key, []);
        return id;
    }

    public async ValueTask UploadPartAsync(string id, ReadOnlyMemory<byte> bytes)
    {
        await Task.Yield();
        _uploads[id].All.Add(bytes.ToArray());
    }

    public async ValueTask CompleteMultipartAsync(string id)
    {
        await Task.Yield();
        var parts = _uploads[id];
        if (parts.All.SkipLast(1).Any(part => part.Length < MinPart)) throw new IOException("EntityTooSmall");
        _objects[parts.Key] = New([.. parts.All.SelectMany(part => part)]);
        _uploads.TryRemove(id, out _);
    }

    public async ValueTask AbortMultipartAsync(string id)
    {
        await Task.Yield();
        _uploads.TryRemove(id, out _);
    }

    private StoredObject New(byte[] bytes) => new(bytes, Number(), DateTimeOffset.UtcNow);

    private string Number() => Interlocked.Increment(ref _number).ToString(CultureInfo.InvariantCulture);

    public sealed record StoredObject(byte[] Bytes, string ETag, DateTimeOffset Written);

    private sealed record Parts(string Key, List<byte[]> All);
}
