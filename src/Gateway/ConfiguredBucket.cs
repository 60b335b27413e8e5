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
            storage.Path, s3.Store, s3.RedirectsSigned, s3.StaleFor, s3.Collects, clock, logger, cancellationToken)
        : Volume.OpenAsync(storage.Path, clock, logger, cancellationToken);
}
