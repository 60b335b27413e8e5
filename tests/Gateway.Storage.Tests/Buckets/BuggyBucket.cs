using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Storage.Tests;

/// <summary>
/// A bucket that treats heads as a log with a bug would: so the product's code has the bug, without a place for it in the product.
/// </summary>
/// <param name="network">What the replica sends its requests to.</param>
/// <param name="truth">The same bucket without faults.</param>
internal sealed class BuggyBucket(IBucket network, IBucket truth, SeededBug bug) : IBucket
{
    public int MinPart => network.MinPart;

    public async ValueTask<SmallObject> ReadAsync(string key, int most, string? unlessETag, CancellationToken cancellationToken)
    {
        if (!IsHead(key)) return await network.ReadAsync(key, most, unlessETag, cancellationToken);
        if (bug == SeededBug.RepeatedETag)
        {
            var read = await network.ReadAsync(key, most, null, cancellationToken);
            if (read.ETag is null) return read;
            var etag = TagsOf(read.Bytes);
            return etag == unlessETag ? new(etag, default, IsUnchanged: true) : read with { ETag = etag };
        }
        var found = await network.ReadAsync(key, most, unlessETag, cancellationToken);
        if (bug != SeededBug.NoLook || found.Bytes.IsEmpty) return found;
        var head = LogHead.Read(found.Bytes);
        return found with { Bytes = (head with { Recent = [.. head.Recent.Select(static _ => Guid.Empty)] }).ToBytes() };
    }

    public async ValueTask<string> PutAsync(
        string key, ReadOnlyMemory<byte> bytes, PutCondition condition, CancellationToken cancellationToken)
    {
        if (!IsHead(key)) return await network.PutAsync(key, bytes, condition, cancellationToken);
        switch (bug)
        {
            case SeededBug.RepeatedETag:
                var now = await truth.ReadAsync(key, LogHead.MaxObject, null, cancellationToken);
                if ((now.ETag is null ? null : TagsOf(now.Bytes)) != condition.ETag) throw new PreconditionFailedException(key);
                await network.PutAsync(key, bytes, now.ETag is { } real ? PutCondition.Match(real) : condition, cancellationToken);
                return TagsOf(bytes);
            case SeededBug.OldContentUnderFreshETag:
                var fresh = await truth.HeadAsync(key, cancellationToken);
                var newest = fresh is { } facts ? PutCondition.Match(facts.ETag) : condition;
                return await network.PutAsync(key, bytes, newest, cancellationToken);
            case SeededBug.BlindRetry:
                try
                {
                    return await network.PutAsync(key, bytes, condition, cancellationToken);
                }
                catch (IOException e) when (e is not PreconditionFailedException)
                {
                    return await network.PutAsync(key, bytes, PutCondition.None, cancellationToken);
                }
            default:
                return await network.PutAsync(key, bytes, condition, cancellationToken);
        }
    }

    public ValueTask<ObjectFacts?> HeadAsync(string key, CancellationToken cancellationToken) => network.HeadAsync(key, cancellationToken);

    public ValueTask<ObjectBody?> OpenAsync(string key, long offset, long? count, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask DeleteAsync(string key, CancellationToken cancellationToken) => network.DeleteAsync(key, cancellationToken);

    public ValueTask<Func<CancellationToken, ValueTask<bool>>?> PrepareDeleteAsync(
        string key, DateTimeOffset notAfter, CancellationToken cancellationToken) =>
        network.PrepareDeleteAsync(key, notAfter, cancellationToken);

    public IAsyncEnumerable<ListedObject> ListAsync(string prefix, string? after, CancellationToken cancellationToken) =>
        network.ListAsync(prefix, after, cancellationToken);

    public ValueTask<string> CreateMultipartAsync(string key, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<string> UploadPartAsync(
        string key, string id, int number, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask<string> CopyPartAsync(string key, string id, int number, string from, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask CompleteMultipartAsync(
        string key, string id, IReadOnlyList<(int Number, string ETag)> parts, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask AbortMultipartAsync(string key, string id, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<Uri?> SignAsync(string key, TimeSpan validFor, string? contentType, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    private static bool IsHead(string key) => key.StartsWith("gateway/heads/", StringComparison.Ordinal);

    // What distribution's link of a tag would be.
    private static string TagsOf(ReadOnlyMemory<byte> head) =>
        LogHead.Read(head).Tail.SelectMany(static r => r.Change.Operations).OfType<Operation.SetLive>().Last().Digest.ToString();
}
