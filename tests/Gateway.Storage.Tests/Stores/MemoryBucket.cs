using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Xml;

namespace Gateway.Storage.Tests;

/// <summary>
/// A bucket in memory with the rules of S3: an ETag is made of the bytes, so that the same bytes have the same ETag again; a condition is
/// checked when the write is done; keys are listed in bytewise order, page by page. No call completes at once, as none over a network does.
/// </summary>
/// <param name="minPart">See <see cref="IBucket.MinPart"/>. S3 requires 5 MiB; a test has smaller content.</param>
/// <param name="page">Keys of one page of a list. S3 answers with 1,000.</param>
/// <param name="pause">What every call awaits before it does its work; a model schedules its interleavings here. Null: it yields.</param>
/// <param name="time">The store's clock.</param>
internal sealed class MemoryBucket(int minPart = 1024, int page = 1000, Func<ValueTask>? pause = null, TimeProvider? time = null) : IBucket
{
    private readonly Lock _lock = new();
    private int _racing;
    private readonly SortedDictionary<string, StoredObject> _objects = new(Comparer<string>.Create(Bytewise));
    private readonly Dictionary<string, Upload> _uploads = [];
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private int _number;

    public int MinPart => minPart;

    /// <summary>How the store treats conditions of writes.</summary>
    public ConditionSupport Conditions { get; set; }

    /// <summary>The number of parts of multipart uploads that were neither completed nor aborted.</summary>
    public int OpenUploads
    {
        get
        {
            lock (_lock) return _uploads.Count;
        }
    }

    /// <summary>All keys, in order.</summary>
    public IReadOnlyList<string> Keys
    {
        get
        {
            lock (_lock) return [.. _objects.Keys];
        }
    }

    /// <summary>The bytes of an object at this moment; null when there is none.</summary>
    public byte[]? Peek(string key)
    {
        lock (_lock) return _objects.GetValueOrDefault(key)?.Bytes;
    }

    public async ValueTask<ObjectFacts?> HeadAsync(string key, CancellationToken cancellationToken)
    {
        await PauseAsync(cancellationToken);
        lock (_lock) return _objects.GetValueOrDefault(key)?.Facts;
    }

    public async ValueTask<SmallObject> ReadAsync(string key, int most, string? unlessETag, CancellationToken cancellationToken)
    {
        await PauseAsync(cancellationToken);
        lock (_lock)
        {
            if (!_objects.TryGetValue(key, out var found)) return default;
            if (found.Facts.ETag == unlessETag) return new(unlessETag, default, IsUnchanged: true);
            if (found.Bytes.Length > most)
                throw new InvalidDataException($"expected at most {most} bytes in {key}, got {found.Bytes.Length}");
            return new(found.Facts.ETag, found.Bytes, IsUnchanged: false);
        }
    }

    public async ValueTask<ObjectBody?> OpenAsync(string key, long offset, long? count, CancellationToken cancellationToken)
    {
        await PauseAsync(cancellationToken);
        lock (_lock)
        {
            if (!_objects.TryGetValue(key, out var found)) return null;
            ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, found.Bytes.Length);
            var length = (int)Math.Min(count ?? long.MaxValue, found.Bytes.Length - offset);
            return new(new MemoryStream(found.Bytes, (int)offset, length, writable: false), found.Facts);
        }
    }

    public async ValueTask<string> PutAsync(
        string key, ReadOnlyMemory<byte> bytes, PutCondition condition, CancellationToken cancellationToken)
    {
        var before = Conditions == ConditionSupport.Raced ? await CheckEarlyAsync(key, cancellationToken) : null;
        await PauseAsync(cancellationToken);
        lock (_lock)
        {
            var checkedWith = Conditions == ConditionSupport.Raced ? before : _objects.GetValueOrDefault(key)?.Facts;
            if (!Holds(checkedWith?.ETag, condition)) throw new PreconditionFailedException(key);
            return Store(key, bytes.ToArray(), Hash(bytes.Span));
        }
    }

    // The object before the write; waits until another write has checked too, or half a second for one that has no rival.
    private async Task<ObjectFacts?> CheckEarlyAsync(string key, CancellationToken cancellationToken)
    {
        var before = await HeadAsync(key, cancellationToken);
        Interlocked.Increment(ref _racing);
        for (var i = 0; i < 50 && Volatile.Read(ref _racing) < 2; i++) await Task.Delay(10, cancellationToken);
        Interlocked.Decrement(ref _racing);
        return before;
    }

    private bool Holds(string? etag, PutCondition condition) => Conditions switch
    {
        ConditionSupport.Ignored => true,
        ConditionSupport.MatchIgnored when condition.ETag is not null => true,
        ConditionSupport.MatchRefused when condition.ETag is not null => false,
        _ => (condition.ETag is null || condition.ETag == etag) && !(condition.IsAbsent && etag is not null),
    };

    public async ValueTask DeleteAsync(string key, CancellationToken cancellationToken)
    {
        await PauseAsync(cancellationToken);
        lock (_lock) _objects.Remove(key);
    }

    public async ValueTask<Func<CancellationToken, ValueTask<bool>>?> PrepareDeleteAsync(
        string key, DateTimeOffset notAfter, CancellationToken cancellationToken)
    {
        await PauseAsync(cancellationToken);
        return async token =>
        {
            await PauseAsync(token);
            lock (_lock)
            {
                if (_time.GetUtcNow() > notAfter) return false;
                _objects.Remove(key);
                return true;
            }
        };
    }

    public async IAsyncEnumerable<ListedObject> ListAsync(
        string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Ceph repeats this key in its answer.
        if (after is not null) XmlConvert.VerifyXmlChars(after);
        for (var isLast = false; !isLast;)
        {
            await PauseAsync(cancellationToken);
            List<ListedObject> found;
            lock (_lock)
            {
                found = [.. _objects.Where(o => o.Key.StartsWith(prefix, StringComparison.Ordinal) && IsAfter(o.Key, after))
                    .Take(page).Select(o => new ListedObject(o.Key, o.Value.Facts))];
            }
            isLast = found.Count < page;
            foreach (var one in found)
            {
                yield return one;
                after = one.Key;
            }
        }
    }

    private static bool IsAfter(string key, string? after) => after is null || Bytewise(key, after) > 0;

    public async ValueTask<string> CreateMultipartAsync(string key, CancellationToken cancellationToken)
    {
        await PauseAsync(cancellationToken);
        lock (_lock)
        {
            var id = (++_number).ToString(CultureInfo.InvariantCulture);
            _uploads[id] = new(key, []);
            return id;
        }
    }

    public async ValueTask<string> UploadPartAsync(
        string key, string id, int number, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await PauseAsync(cancellationToken);
        lock (_lock) return StorePart(key, id, number, bytes.ToArray());
    }

    public async ValueTask<string> CopyPartAsync(string key, string id, int number, string from, CancellationToken cancellationToken)
    {
        await PauseAsync(cancellationToken);
        lock (_lock)
        {
            if (!_objects.TryGetValue(from, out var source)) throw new IOException($"NoSuchKey: {from}");
            return StorePart(key, id, number, source.Bytes);
        }
    }

    public async ValueTask CompleteMultipartAsync(
        string key, string id, IReadOnlyList<(int Number, string ETag)> parts, CancellationToken cancellationToken)
    {
        await PauseAsync(cancellationToken);
        lock (_lock)
        {
            var upload = Find(key, id);
            if (parts.Count == 0) throw new IOException("MalformedXML: no parts");
            for (var i = 1; i < parts.Count; i++)
            {
                if (parts[i].Number <= parts[i - 1].Number) throw new IOException("InvalidPartOrder");
            }
            var all = parts.Select(part => upload.Parts.TryGetValue(part.Number, out var found) && Hash(found) == part.ETag
                ? found
                : throw new IOException($"InvalidPart: {part.Number}")).ToList();
            if (all.SkipLast(1).Any(part => part.Length < minPart)) throw new IOException("EntityTooSmall");
            Store(key, [.. all.SelectMany(part => part)], $"{Hash(Encoding.UTF8.GetBytes(string.Concat(parts))).Trim('"')}-{parts.Count}");
            _uploads.Remove(id);
        }
    }

    public async ValueTask AbortMultipartAsync(string key, string id, CancellationToken cancellationToken)
    {
        await PauseAsync(cancellationToken);
        lock (_lock) _uploads.Remove(id);
    }

    public async ValueTask<Uri?> SignAsync(string key, TimeSpan validFor, string? contentType, CancellationToken cancellationToken)
    {
        await PauseAsync(cancellationToken);
        var expires = (_time.GetUtcNow() + validFor).ToUnixTimeSeconds();
        return new($"https://bucket.test/{Uri.EscapeDataString(key)}?type={contentType}&expires={expires}");
    }

    private string StorePart(string key, string id, int number, byte[] bytes)
    {
        if (number is < 1 or > IBucket.MaxParts) throw new IOException($"InvalidArgument: part {number}");
        Find(key, id).Parts[number] = bytes;
        return Hash(bytes);
    }

    private Upload Find(string key, string id) =>
        _uploads.GetValueOrDefault(id) is { } found && found.Key == key ? found : throw new IOException($"NoSuchUpload: {id}");

    private string Store(string key, byte[] bytes, string etag)
    {
        _objects[key] = new(bytes, new(etag, bytes.Length, _time.GetUtcNow()));
        return etag;
    }

    // What S3 does too; a hash that is broken is enough to tell two contents apart.
#pragma warning disable CA5351
    private static string Hash(ReadOnlySpan<byte> bytes) => $"\"{Convert.ToHexStringLower(MD5.HashData(bytes))}\"";
#pragma warning restore CA5351

    // The order of the UTF-8 bytes. UTF-16 has another one only for surrogates, which stand for characters after all others.
    private static int Bytewise(string? one, string? other)
    {
        var same = one.AsSpan().CommonPrefixLength(other);
        if (same == one!.Length || same == other!.Length) return one.Length - other!.Length;
        return (char.IsSurrogate(one[same]), char.IsSurrogate(other[same])) switch
        {
            (true, false) => 1,
            (false, true) => -1,
            _ => one[same] - other[same],
        };
    }

    private async ValueTask PauseAsync(CancellationToken cancellationToken)
    {
        if (pause is null) await Task.Yield();
        else await pause();
        cancellationToken.ThrowIfCancellationRequested();
    }

    private sealed record StoredObject(byte[] Bytes, ObjectFacts Facts);

    private sealed record Upload(string Key, Dictionary<int, byte[]> Parts);
}

/// <summary>What a store does with conditions of writes.</summary>
internal enum ConditionSupport
{
    /// <summary>It checks them.</summary>
    Honored,

    /// <summary>It writes whatever they say, as stores did that know no conditions.</summary>
    Ignored,

    /// <summary>It checks <c>If-None-Match</c> only.</summary>
    MatchIgnored,

    /// <summary>It checks before the write and not with it, so that several of a race succeed.</summary>
    Raced,

    /// <summary>It refuses every <c>If-Match</c>, also the right one, as Ceph 16 does.</summary>
    MatchRefused,
}
