using Amazon.S3.Model;

namespace Gateway.Storage;

/// <summary>Multipart uploads. Their parts have no checksum of their own: the signature covers the bytes of each.</summary>
internal sealed partial class S3Bucket
{
    /// <remarks>A repeat after a lost answer leaves an upload behind, which a lifecycle rule of the bucket removes.</remarks>
    public ValueTask<string> CreateMultipartAsync(string key, CancellationToken cancellationToken) => CallAsync(
        S3Operation.CreateMultipart, key, mayRepeat: true, AnswerLimit,
        async (client, ending) => (await client.InitiateMultipartUploadAsync(_options.Bucket, key, ending)).UploadId, cancellationToken);

    public ValueTask<string> UploadPartAsync(
        string key, string id, int number, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => CallAsync(
        S3Operation.UploadPart, key, mayRepeat: true, LimitFor(bytes.Length),
        async (client, ending) => (await client.UploadPartAsync(
            new UploadPartRequest
            {
                BucketName = _options.Bucket,
                Key = key,
                UploadId = id,
                PartNumber = number,
                InputStream = StreamOf(bytes),
                PartSize = bytes.Length,
                UseChunkEncoding = false,
            },
            ending)).ETag,
        cancellationToken);

    public ValueTask<string> CopyPartAsync(
        string key, string id, int number, string from, CancellationToken cancellationToken) => CallAsync(
        S3Operation.CopyPart, key, mayRepeat: true, CompletionLimit,
        async (client, ending) => (await client.CopyPartAsync(
            new CopyPartRequest
            {
                SourceBucket = _options.Bucket,
                SourceKey = from,
                DestinationBucket = _options.Bucket,
                DestinationKey = key,
                UploadId = id,
                PartNumber = number,
            },
            ending)).ETag,
        cancellationToken);

    public async ValueTask CompleteMultipartAsync(
        string key, string id, IReadOnlyList<(int Number, string ETag)> parts, CancellationToken cancellationToken)
    {
        var request = new CompleteMultipartUploadRequest
        {
            BucketName = _options.Bucket,
            Key = key,
            UploadId = id,
            PartETags = [.. parts.Select(part => new PartETag(part.Number, part.ETag))],
        };
        var attempts = 0;
        try
        {
            await CallAsync(
                S3Operation.CompleteMultipart, key, mayRepeat: true, CompletionLimit,
                (client, ending) =>
                {
                    attempts++;
                    return client.CompleteMultipartUploadAsync(request, ending);
                },
                cancellationToken);
        }
        // The answer to an attempt before was lost, and that attempt has completed the upload.
        catch (BucketException e) when (attempts > 1 && e is { Status: 404, Code: "NoSuchUpload" })
        {
            var suffix = $"-{parts.Count}\"";
            if (await HeadAsync(key, cancellationToken) is not { } found || !found.ETag.EndsWith(suffix, StringComparison.Ordinal)) throw;
        }
    }

    public async ValueTask AbortMultipartAsync(string key, string id, CancellationToken cancellationToken)
    {
        try
        {
            await CallAsync(
                S3Operation.AbortMultipart, key, mayRepeat: true, AnswerLimit,
                (client, ending) => client.AbortMultipartUploadAsync(_options.Bucket, key, id, ending), cancellationToken);
        }
        catch (BucketException e) when (IsAbsent(e))
        {
            // It has ended already.
        }
    }
}
