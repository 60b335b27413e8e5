namespace Gateway.Storage.Tests;

/// <summary>A replica: a volume of its own on a bucket that others use too.</summary>
internal static class SharedRig
{
    public static Task<VolumeRig> OpenAsync(IBucket bucket, TimeProvider? clock = null, TimeSpan? staleFor = null, bool collects = false) =>
        VolumeRig.OpenAsync(
            clock, copies => new BucketContents(bucket, "", copies, TimeProvider.System, partBytes: 2048),
            new SharedStore(bucket, "", staleFor ?? TimeSpan.FromMinutes(10)) { Collects = collects });
}
