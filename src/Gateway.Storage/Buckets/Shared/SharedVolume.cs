namespace Gateway.Storage;

/// <summary>Opens volumes whose pushed content and metadata are in a bucket that several gateways share.</summary>
public static class SharedVolume
{
    /// <summary>
    /// Opens a volume. Its own disk has the cache, staged content, and a copy of the metadata. Throws as <see
    /// cref="Volume.OpenAsync(string, TimeProvider, ILogger, CancellationToken)"/>. The bucket is probed: a store that cannot be shared
    /// is refused with an <see cref="IOException"/>, and one that does not answer is opened without writes.
    /// </summary>
    /// <param name="path">The volume's folder, which this gateway has for itself.</param>
    /// <param name="redirects">Whether clients are sent to the bucket for large blobs.</param>
    /// <param name="staleFor">How long the last known state is served while the bucket does not answer.</param>
    /// <param name="collects">Whether this gateway removes content that nothing needs.</param>
    public static async ValueTask<Volume> OpenAsync(
        string path, S3Options s3, bool redirects, TimeSpan staleFor, bool collects, TimeProvider clock, ILogger logger,
        CancellationToken cancellationToken)
    {
        var store = S3Bucket.Open(s3, clock, logger);
        try
        {
            var bucket = await ProbedBucket.OpenAsync(store, s3.Prefix, clock, logger, cancellationToken);
            return await Volume.OpenAsync(
                path, clock, logger, copies => new BucketContents(bucket, s3.Prefix, copies, clock) { Redirects = redirects },
                new(bucket, s3.Prefix, staleFor) { Collects = collects }, cancellationToken);
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }
}
