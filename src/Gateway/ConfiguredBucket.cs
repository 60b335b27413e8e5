using Gateway.Configuration;
using Gateway.Storage;

namespace Gateway;

/// <summary>The bucket of <c>storage.s3</c>.</summary>
internal static class ConfiguredBucket
{
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
        Checksums = options.Checksums switch
        {
            BucketChecksums.On => S3Checksums.On,
            BucketChecksums.Off => S3Checksums.Off,
            _ => S3Checksums.Auto,
        },
    };
}
