using System.Runtime.CompilerServices;

namespace Gateway.Storage.Tests;

/// <summary>
/// A bucket over another one, between which things go wrong as they do between a gateway and a store. With the same seed and the same
/// order of calls, the same calls fail.
/// </summary>
/// <param name="choose">Says what happens to a call; see <see cref="Seeded"/>.</param>
/// <param name="delay">What a delayed call awaits; null for 5 ms.</param>
internal sealed class FaultyBucket(IBucket inner, Func<BucketCall, Fault> choose, Func<ValueTask>? delay = null) : IBucket
{
    private readonly Lock _lock = new();
    private readonly List<Func<ValueTask>> _late = [];

    public int MinPart => inner.MinPart;

    /// <summary>The number of calls that had a fault.</summary>
    public int Faults { get; private set; }

    /// <summary>The number of writes that will land late.</summary>
    public int LateWrites
    {
        get
        {
            lock (_lock) return _late.Count;
        }
    }

    /// <summary>Chooses faults at random. A fault that does not fit a call does not happen.</summary>
    /// <param name="rate">The part of calls that have a fault, 0 to 1.</param>
    /// <param name="faults">Which faults; all when empty.</param>
    public static Func<BucketCall, Fault> Seeded(int seed, double rate, params Fault[] faults)
    {
        if (faults.Length == 0) faults = [.. Enum.GetValues<Fault>().Where(fault => fault != Fault.None)];
        var (random, guard) = (new Random(seed), new Lock());
        return _ =>
        {
            lock (guard) return random.NextDouble() < rate ? faults[random.Next(faults.Length)] : Fault.None;
        };
    }

    /// <summary>Does the writes that were sent and have not been done yet. What they answer reaches no one.</summary>
    /// <param name="most">How many, the oldest first.</param>
    public async ValueTask LandAsync(int most = int.MaxValue)
    {
        for (; most > 0; most--)
        {
            Func<ValueTask> write;
            lock (_lock)
            {
                if (_late.Count == 0) return;
                write = _late[0];
                _late.RemoveAt(0);
            }
            try
            {
                await write();
            }
            catch (IOException)
            {
                // Such as a condition that does not hold any more.
            }
        }
    }

    public ValueTask<ObjectFacts?> HeadAsync(string key, CancellationToken cancellationToken) =>
        ReadAsync(BucketVerb.Head, key, () => inner.HeadAsync(key, cancellationToken));

    public ValueTask<SmallObject> ReadAsync(string key, int most, string? unlessETag, CancellationToken cancellationToken) =>
        ReadAsync(BucketVerb.Read, key, () => inner.ReadAsync(key, most, unlessETag, cancellationToken));

    public async ValueTask<ObjectBody?> OpenAsync(string key, long offset, long? count, CancellationToken cancellationToken)
    {
        var fault = Choose(BucketVerb.Open, key);
        await FailReadAsync(fault, key);
        var body = await inner.OpenAsync(key, offset, count, cancellationToken);
        if (fault != Fault.Cut || body is null) return body;
        await using (body)
        {
            using var bytes = new MemoryStream();
            await body.Bytes.CopyToAsync(bytes, cancellationToken);
            return body with { Bytes = new CutStream(bytes.ToArray().AsMemory(0, (int)bytes.Length / 2)) };
        }
    }

    public async ValueTask<string> PutAsync(
        string key, ReadOnlyMemory<byte> bytes, PutCondition condition, CancellationToken cancellationToken)
    {
        var sent = bytes.ToArray(); // the caller may use its buffer again while the write is on its way
        return await WriteAsync(BucketVerb.Put, key, () => inner.PutAsync(key, sent, condition, default));
    }

    public async ValueTask DeleteAsync(string key, CancellationToken cancellationToken) =>
        await WriteAsync(BucketVerb.Delete, key, () => Value(inner.DeleteAsync(key, default)));

    public async ValueTask<Func<CancellationToken, ValueTask<bool>>?> PrepareDeleteAsync(
        string key, DateTimeOffset notAfter, CancellationToken cancellationToken) =>
        await inner.PrepareDeleteAsync(key, notAfter, cancellationToken) is { } delete
            ? _ => WriteAsync(BucketVerb.Delete, key, () => delete(default))
            : null;

    public async IAsyncEnumerable<ListedObject> ListAsync(
        string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var fault = Choose(BucketVerb.List, prefix);
        await FailReadAsync(fault, prefix);
        var isStale = fault == Fault.StaleList;
        var count = 0;
        await foreach (var found in inner.ListAsync(prefix, after, cancellationToken))
        {
            // The first key and each third after it are those that were written a moment ago.
            if (isStale && count++ % 3 == 0) continue;
            yield return found;
        }
    }

    public ValueTask<string> CreateMultipartAsync(string key, CancellationToken cancellationToken) =>
        WriteAsync(BucketVerb.CreateMultipart, key, () => inner.CreateMultipartAsync(key, default));

    public async ValueTask<string> UploadPartAsync(
        string key, string id, int number, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        var sent = bytes.ToArray();
        return await WriteAsync(BucketVerb.UploadPart, key, () => inner.UploadPartAsync(key, id, number, sent, default));
    }

    public ValueTask<string> CopyPartAsync(string key, string id, int number, string from, CancellationToken cancellationToken) =>
        WriteAsync(BucketVerb.CopyPart, key, () => inner.CopyPartAsync(key, id, number, from, default));

    public async ValueTask CompleteMultipartAsync(
        string key, string id, IReadOnlyList<(int Number, string ETag)> parts, CancellationToken cancellationToken) =>
        await WriteAsync(BucketVerb.CompleteMultipart, key, () => Value(inner.CompleteMultipartAsync(key, id, parts, default)));

    public async ValueTask AbortMultipartAsync(string key, string id, CancellationToken cancellationToken) =>
        await WriteAsync(BucketVerb.AbortMultipart, key, () => Value(inner.AbortMultipartAsync(key, id, default)));

    // No request is made, so nothing can fail.
    public ValueTask<Uri?> SignAsync(string key, TimeSpan validFor, string? contentType, CancellationToken cancellationToken) =>
        inner.SignAsync(key, validFor, contentType, cancellationToken);

    private async ValueTask<T> ReadAsync<T>(BucketVerb verb, string key, Func<ValueTask<T>> read)
    {
        await FailReadAsync(Choose(verb, key), key);
        return await read();
    }

    private async ValueTask FailReadAsync(Fault fault, string key)
    {
        if (fault == Fault.Delayed) await DelayAsync();
        if (fault == Fault.Unavailable) throw new IOException($"503 SlowDown for {key}");
        if (fault is Fault.AnswerLost or Fault.LandsLate) throw new IOException($"the connection ended before the answer for {key}");
    }

    private async ValueTask<T> WriteAsync<T>(BucketVerb verb, string key, Func<ValueTask<T>> write)
    {
        switch (Choose(verb, key))
        {
            case Fault.Unavailable:
                throw new IOException($"503 SlowDown for {key}");
            case Fault.AnswerLost:
                try
                {
                    await write();
                }
                catch (PreconditionFailedException)
                {
                    // This answer is lost, too.
                }
                throw new IOException($"the connection ended before the answer for {key}");
            case Fault.LandsLate:
                lock (_lock) _late.Add(async () => await write());
                throw new IOException($"no answer in time for {key}");
            case Fault.Delayed:
                await DelayAsync();
                return await write();
            default:
                return await write();
        }
    }

    private Fault Choose(BucketVerb verb, string key)
    {
        var fault = choose(new(verb, key));
        if (fault != Fault.None) Faults++;
        return fault;
    }

    private async ValueTask DelayAsync()
    {
        if (delay is null) await Task.Delay(5);
        else await delay();
    }

    private static async ValueTask<bool> Value(ValueTask task)
    {
        await task;
        return true;
    }

    /// <summary>Fails after some bytes.</summary>
    private sealed class CutStream(ReadOnlyMemory<byte> bytes) : ReadOnlyStream
    {
        private int _at;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_at == bytes.Length) throw new IOException("the connection ended in the middle of an object");
            var next = bytes.Slice(_at, Math.Min(buffer.Length, bytes.Length - _at));
            next.CopyTo(buffer);
            _at += next.Length;
            return new(next.Length);
        }
    }
}

/// <summary>One call, for which a fault is chosen.</summary>
internal readonly record struct BucketCall(BucketVerb Verb, string Key)
{
    /// <summary>Whether the call changes something.</summary>
    public bool IsWrite => Verb is not (BucketVerb.Head or BucketVerb.Read or BucketVerb.Open or BucketVerb.List);
}

/// <summary>The verbs of <see cref="IBucket"/>.</summary>
internal enum BucketVerb
{
    Head, Read, Open, Put, Delete, List, CreateMultipart, UploadPart, CopyPart, CompleteMultipart, AbortMultipart,
}

/// <summary>What goes wrong.</summary>
internal enum Fault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The call takes longer.</summary>
    Delayed,

    /// <summary>The store answers 503 and does nothing.</summary>
    Unavailable,

    /// <summary>The store does the work; the caller gets an error.</summary>
    AnswerLost,

    /// <summary>The caller gets an error; the store does a write later, when <see cref="FaultyBucket.LandAsync"/> is called.</summary>
    LandsLate,

    /// <summary>A list lacks some keys.</summary>
    StaleList,

    /// <summary>The bytes of an opened object end with an error after half of them.</summary>
    Cut,
}
