namespace Gateway.Storage.Tests;

internal static class BucketReading
{
    /// <summary>The bytes of a range, fewer where the object ends; null when there is no object.</summary>
    public static async ValueTask<(byte[] Bytes, string ETag)?> GetAsync(
        this IBucket bucket, string key, long offset, long? count, CancellationToken cancellationToken)
    {
        if (await bucket.OpenAsync(key, offset, count, cancellationToken) is not { } body) return null;
        await using (body)
        {
            using var bytes = new MemoryStream();
            await body.Bytes.CopyToAsync(bytes, cancellationToken);
            return (bytes.ToArray(), body.Facts.ETag);
        }
    }

    /// <summary>The keys that begin with a prefix, in the order of the list.</summary>
    public static async ValueTask<List<string>> KeysAsync(this IBucket bucket, string prefix, string? after = null)
    {
        List<string> keys = [];
        await foreach (var found in bucket.ListAsync(prefix, after, default)) keys.Add(found.Key);
        return keys;
    }
}
