using System.Runtime.CompilerServices;

namespace Gateway.Storage.Tests;

/// <summary>The store of a <see cref="CollectionModel"/>: its lists can lack what was created a while ago.</summary>
/// <param name="late">How old an object must be for the next list to have it.</param>
/// <param name="done">Called after each write and removal, before any other step.</param>
internal sealed class StaleLists(IBucket inner, TimeProvider time, Func<TimeSpan> late, Action<string> done) : IBucket
{
    private readonly Dictionary<string, DateTimeOffset> _created = new(StringComparer.Ordinal);

    public int MinPart => inner.MinPart;

    public async ValueTask<string> PutAsync(
        string key, ReadOnlyMemory<byte> bytes, PutCondition condition, CancellationToken cancellationToken)
    {
        var etag = await inner.PutAsync(key, bytes, condition, cancellationToken);
        _created.TryAdd(key, time.GetUtcNow());
        done($"after a write of {key}");
        return etag;
    }

    public async ValueTask<Func<CancellationToken, ValueTask<bool>>?> PrepareDeleteAsync(
        string key, DateTimeOffset notAfter, CancellationToken cancellationToken)
    {
        var delete = await inner.PrepareDeleteAsync(key, notAfter, cancellationToken);
        return async token =>
        {
            var isDone = await delete!(token);
            done($"after the removal of {key}");
            return isDone;
        };
    }

    public async IAsyncEnumerable<ListedObject> ListAsync(
        string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var oldest = time.GetUtcNow() - late();
        await foreach (var found in inner.ListAsync(prefix, after, cancellationToken))
        {
            if (_created.GetValueOrDefault(found.Key) <= oldest) yield return found;
        }
    }

    public ValueTask<ObjectFacts?> HeadAsync(string key, CancellationToken cancellationToken) => inner.HeadAsync(key, cancellationToken);

    public ValueTask<SmallObject> ReadAsync(string key, int most, string? unlessETag, CancellationToken cancellationToken) =>
        inner.ReadAsync(key, most, unlessETag, cancellationToken);

    public ValueTask DeleteAsync(string key, CancellationToken cancellationToken) => inner.DeleteAsync(key, cancellationToken);

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
