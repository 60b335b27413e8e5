namespace Gateway.Storage;

/// <summary>The log messages of storage; event ids 2000 to 2099.</summary>
internal static partial class Log
{
    [LoggerMessage(2000, LogLevel.Error, "Batch of changes could not be written; its pushes were answered with an error")]
    public static partial void CommitFailed(ILogger logger, Exception exception);

    [LoggerMessage(2001, LogLevel.Information, "Replayed {Count} changes from the journal")]
    public static partial void Replayed(ILogger logger, int count);

    [LoggerMessage(2002, LogLevel.Error, "Journal could not be replayed; pulls are served, pushes are refused")]
    public static partial void NotReplayed(ILogger logger, Exception exception);

    [LoggerMessage(2003, LogLevel.Warning, "Journal segments could not be ended; they stay until the next start replays them")]
    public static partial void CheckpointFailed(ILogger logger, Exception exception);

    [LoggerMessage(2004, LogLevel.Warning, "Old trash, uploads or parts of fetches could not be removed; the next cleanup tries again")]
    public static partial void SweepFailed(ILogger logger, Exception exception);

    [LoggerMessage(2005, LogLevel.Warning, "Cached content could not be evicted; the next fetch tries again")]
    public static partial void EvictionFailed(ILogger logger, Exception exception);

    [LoggerMessage(
        2006, LogLevel.Warning, "Cached content could not be counted; content of earlier starts is not evicted until the next start")]
    public static partial void NotCounted(ILogger logger, Exception exception);

    [LoggerMessage(
        2007, LogLevel.Warning,
        "Forwarded content {Digest} could not be copied to the cache; the next request for it fetches it")]
    public static partial void NotGiven(ILogger logger, Exception exception, Gateway.Oci.Digest digest);

    [LoggerMessage(
        2008, LogLevel.Warning,
        "System clock is {Behind} behind {Latest:u}, the latest moment of this volume; "
        + "decisions use that moment until the clock reaches it. "
        + "If the clock was ahead by mistake, stop the gateway, remove {File} and start the gateway again")]
    public static partial void ClockIsBehind(ILogger logger, TimeSpan behind, DateTimeOffset latest, string file);

    [LoggerMessage(
        2014, LogLevel.Warning,
        "Cached content {Digest} was damaged on the disk ({Length} bytes) and was removed; the next request for it fetches it")]
    public static partial void CacheDamaged(ILogger logger, Gateway.Oci.Digest digest, long length);

    [LoggerMessage(
        2015, LogLevel.Error,
        "Pushed content {Digest} is damaged on the disk ({Length} bytes in {File}) and is not served; push it again or restore the file")]
    public static partial void Damaged(ILogger logger, Gateway.Oci.Digest digest, long length, string file);

    [LoggerMessage(
        2009, LogLevel.Warning, "Latest moment could not be stored; the next start may not detect a clock that was set back")]
    public static partial void MomentNotNoted(ILogger logger, Exception exception);

    [LoggerMessage(
        2010, LogLevel.Critical,
        "Flush failed; the volume accepts no writes until the gateway is restarted, pulls are served: {Call} {Path}: {Failure}")]
    public static partial void FlushFailed(ILogger logger, string call, string path, string failure);

    [LoggerMessage(2011, LogLevel.Error, "Volume opened without writes, pulls are served: {Reason}")]
    public static partial void OpenedWithoutWrites(ILogger logger, string reason);

    [LoggerMessage(2013, LogLevel.Error, "Upload could not be written; the client was answered 503")]
    public static partial void UploadNotWritten(ILogger logger, Exception exception);

    [LoggerMessage(2012, LogLevel.Warning, "Addresses of an upstream could not be stored; a later start stores them")]
    public static partial void OriginNotNoted(ILogger logger, Exception exception);

    [LoggerMessage(
        2041, LogLevel.Warning,
        "Content {Digest} ({Length} bytes) was set aside because the disk could not read it; its bytes are right, and it is served again")]
    public static partial void BroughtBack(ILogger logger, Gateway.Oci.Digest digest, long length);

    [LoggerMessage(2042, LogLevel.Warning, "Damaged content {Digest} was healed: its bytes are whole again in the {Root} root")]
    public static partial void Healed(ILogger logger, Gateway.Oci.Digest digest, string root);

    [LoggerMessage(
        2052, LogLevel.Warning,
        "Links of {Repository} could not be written in distribution's layout; the next push to the repository writes them")]
    public static partial void NotMirrored(ILogger logger, Exception exception, string repository);

    [LoggerMessage(2053, LogLevel.Warning, "Heads of the bucket could not be read; the next poll tries again")]
    public static partial void NotPolled(ILogger logger, Exception exception);

    [LoggerMessage(
        2054, LogLevel.Error, "Change of {Repository} is in the bucket and could not be applied here; the next request tries again")]
    public static partial void NotApplied(ILogger logger, Exception exception, string repository);

    [LoggerMessage(2055, LogLevel.Information, "Adopted {Count} repositories of the bucket that had no log")]
    public static partial void Adopted(ILogger logger, int count);

    [LoggerMessage(
        2057, LogLevel.Warning,
        "Repository {Repository} was adopted without {Count} objects that cannot be read, such as {First}; {Report} in the bucket lists "
        + "all of them")]
    public static partial void NotAdopted(ILogger logger, string repository, int count, string first, string report);

    [LoggerMessage(
        2056, LogLevel.Warning,
        "Change of {Repository} was not made, or that is not known, because of the bucket; the client was answered 503")]
    public static partial void NotStored(ILogger logger, Exception exception, string repository);

    [LoggerMessage(2060, LogLevel.Information, "Read other keys for bucket {Bucket} after the store refused the former")]
    public static partial void BucketKeysRead(ILogger logger, string bucket);

    [LoggerMessage(
        2061, LogLevel.Information,
        "Store of bucket {Bucket} refused a checksum with {Code} and took the same write without one; writing without from now on")]
    public static partial void BucketHasNoChecksums(ILogger logger, string bucket, string code);

    [LoggerMessage(2062, LogLevel.Information, "Bucket probed in {Milliseconds:0} ms: its store checks conditions, and can be shared")]
    public static partial void BucketProbed(ILogger logger, double milliseconds);

    [LoggerMessage(2063, LogLevel.Error, "Bucket refused, nothing is written to it: {Problem}")]
    public static partial void BucketRefused(ILogger logger, string problem);

    [LoggerMessage(
        2064, LogLevel.Warning,
        "Bucket could not be probed; pushes are refused until a later probe succeeds: {Problem}; {Remedy}")]
    public static partial void BucketUnreachable(ILogger logger, string problem, string remedy);

    [LoggerMessage(
        2065, LogLevel.Warning,
        "Clock of this machine is {Minutes:0} minutes {Direction} the clock of the bucket's store; set it by NTP, because stores refuse "
        + "requests from 15 minutes on")]
    public static partial void BucketClockOff(ILogger logger, double minutes, string direction);

    [LoggerMessage(2040, LogLevel.Warning, "Damaged content {Digest} could not be healed from whole bytes in another place")]
    public static partial void NotHealed(ILogger logger, Exception exception, Gateway.Oci.Digest digest);

    [LoggerMessage(
        2050, LogLevel.Warning, "Local copy of {Digest} could not be made; it is read from the bucket, and the next reader tries again")]
    public static partial void NotCopied(ILogger logger, Exception exception, Gateway.Oci.Digest digest);

    [LoggerMessage(
        2051, LogLevel.Error,
        "Pushed content {Digest} is damaged in the bucket ({Length} bytes have another digest) and is not served; push it again")]
    public static partial void BucketDamaged(ILogger logger, Gateway.Oci.Digest digest, long length);
}
