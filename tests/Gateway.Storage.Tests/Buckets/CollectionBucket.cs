using System.Runtime.CompilerServices;

namespace Gateway.Storage.Tests;

/// <summary>
/// What one gateway of a <see cref="CollectionModel"/> sends its requests to. It pauses before each, and treats collections as code with a
/// bug would: so the product has the bug, without a place for it in the product.
/// </summary>
/// <param name="isCollector">Whether the collector sends the requests; otherwise the gate and the clients do.</param>
internal sealed class CollectionBucket(
    IBucket network, TimeProvider store, CollectionBug bug, Func<ValueTask> pause, bool isCollector = false) : IBucket
{
    public int MinPart => network.MinPart;

    /// <summary>The same for the collector.</summary>
    public CollectionBucket OfCollector() => new(network, store, bug, pause, isCollector: true);

    public async ValueTask<ObjectFacts?> HeadAsync(string key, CancellationToken cancellationToken)
    {
        await pause();
        return await network.HeadAsync(key, cancellationToken);
    }

    public async ValueTask<SmallObject> ReadAsync(string key, int most, string? unlessETag, CancellationToken cancellationToken)
    {
        await pause();
        return await network.ReadAsync(key, most, unlessETag, cancellationToken);
    }

    public async ValueTask<string> PutAsync(
        string key, ReadOnlyMemory<byte> bytes, PutCondition condition, CancellationToken cancellationToken)
    {
        await pause();
        if (key != "gateway/gc/state") return await network.PutAsync(key, bytes, condition, cancellationToken);
        // It says that it spares, and does not.
        if (bug == CollectionBug.NoRescue && !isCollector) return "\"none\"";
        if (bug == CollectionBug.UnconditionalDying && isCollector) condition = PutCondition.None;
        return await network.PutAsync(key, bytes, condition, cancellationToken);
    }

    public async ValueTask DeleteAsync(string key, CancellationToken cancellationToken)
    {
        await pause();
        await network.DeleteAsync(key, cancellationToken);
    }

    public async ValueTask<Func<CancellationToken, ValueTask<bool>>?> PrepareDeleteAsync(
        string key, DateTimeOffset notAfter, CancellationToken cancellationToken)
    {
        if (bug == CollectionBug.DatedWhenSent)
        {
            await pause();
            notAfter = store.GetUtcNow() + CollectionGate.RemovalLasts;
        }
        if (bug == CollectionBug.Undated) notAfter = DateTimeOffset.MaxValue;
        var delete = await network.PrepareDeleteAsync(key, notAfter, cancellationToken);
        return async token =>
        {
            await pause();
            return await delete!(token);
        };
    }

    public async IAsyncEnumerable<ListedObject> ListAsync(
        string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await pause();
        await foreach (var found in network.ListAsync(prefix, after, cancellationToken)) yield return found;
    }

    public ValueTask<ObjectBody?> OpenAsync(string key, long offset, long? count, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask<string> CreateMultipartAsync(string key, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<string> UploadPartAsync(
        string key, string id, int number, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask<string> CopyPartAsync(
        string key, string id, int number, string from, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask CompleteMultipartAsync(
        string key, string id, IReadOnlyList<(int Number, string ETag)> parts, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask AbortMultipartAsync(string key, string id, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<Uri?> SignAsync(string key, TimeSpan validFor, string? contentType, CancellationToken cancellationToken) =>
        throw new NotSupportedException();
}
