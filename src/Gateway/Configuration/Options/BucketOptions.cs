using Gateway.Storage;

namespace Gateway.Configuration;

/// <summary>The <c>storage.s3</c> section: a bucket that has what clients push, for one or several gateways.</summary>
internal sealed record BucketOptions
{
    /// <summary>How to reach the bucket.</summary>
    public S3Options Store { get; init; } = new("");

    /// <summary>Whether pulls of large blobs are redirected to the bucket by signed addresses.</summary>
    public bool RedirectsSigned { get; init; }

    /// <summary>How long what was validated last is served while the bucket does not answer.</summary>
    public TimeSpan StaleFor { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Whether this gateway removes pushed content from the bucket that nothing needs.</summary>
    public bool Collects { get; init; }
}
