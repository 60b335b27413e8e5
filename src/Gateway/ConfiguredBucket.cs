using Gateway.Configuration;
using Gateway.Storage;

namespace Gateway;

/// <summary>The bucket of <c>storage.s3</c>.</summary>
internal static class ConfiguredBucket
{
    /// <summary>Opens the volume, with the bucket if there is one. Throws <see cref="IOException"/> with one line.</summary>
    public static ValueTask<Volume> OpenAsync(
        this StorageOptions storage, TimeProvider clock, ILogger logger, CancellationToken cancellationToken) => storage.S3 is { } s3
        ? SharedVolume.OpenAsync(
            storage.Path, s3.Store(), s3.RedirectsSigned, s3.StaleFor, s3.Collects, clock, logger, cancellationToken)
        : Volume.OpenAsync(storage.Path, clock, logger, cancellationToken);

    /// <summary>
    /// How to reach the bucket. AWS has the bucket in the host name; other stores need DNS for that, so a path is the default.
    /// </summary>
    public static S3Options Store(this BucketOptions options) => new(options.Bucket)
    {
        Endpoint = options.Endpoint,
        Region = options.Region,
        Prefix = options.Prefix,
        IsPathStyle = options.PathStyle ?? options.Endpoint is not null,
        AccessKeyFile = options.AccessKeyFile,
        SecretKeyFile = options.SecretKeyFile,
        CertificateAuthority = options.CertificateAuthority,
        Checksums = options.Checksums switch
        {
            BucketChecksums.On => S3Checksums.On,
            BucketChecksums.Off => S3Checksums.Off,
            _ => S3Checksums.Auto,
        },
    };
}
