namespace Gateway.Storage;

/// <summary>What storage says in the log; event ids 2000 to 2099.</summary>
internal static partial class Log
{
    [LoggerMessage(2000, LogLevel.Error, "A batch of changes could not be written; the pushes in it were answered with an error")]
    public static partial void CommitFailed(ILogger logger, Exception exception);

    [LoggerMessage(2001, LogLevel.Information, "Replayed {Count} changes from the journal")]
    public static partial void Replayed(ILogger logger, int count);

    [LoggerMessage(2002, LogLevel.Error, "The journal could not be replayed; pulls go on, pushes are refused")]
    public static partial void NotReplayed(ILogger logger, Exception exception);

    [LoggerMessage(2003, LogLevel.Warning, "Journal segments could not be ended; they stay and will be replayed at the next start")]
    public static partial void CheckpointFailed(ILogger logger, Exception exception);

    [LoggerMessage(2004, LogLevel.Warning, "Trash, uploads or parts of fetches could not be cleared away")]
    public static partial void SweepFailed(ILogger logger, Exception exception);

    [LoggerMessage(2005, LogLevel.Warning, "Cached content could not be evicted; it is tried again with the next fetch")]
    public static partial void EvictionFailed(ILogger logger, Exception exception);

    [LoggerMessage(2006, LogLevel.Warning, "Cached content could not be counted; until the next start what is there does not make room")]
    public static partial void NotCounted(ILogger logger, Exception exception);

    [LoggerMessage(
        2007, LogLevel.Warning,
        "{Digest} has arrived at its upstream, and could not be given to the cache: it will be fetched when asked for")]
    public static partial void NotGiven(ILogger logger, Exception exception, Gateway.Oci.Digest digest);

    [LoggerMessage(
        2008, LogLevel.Warning,
        "The system's clock is {Behind} behind {Latest:u}, which this volume has seen: decisions go by that until it is caught up. "
        + "If the clock was ahead by mistake, stop the gateway, remove {File} and start again")]
    public static partial void ClockIsBehind(ILogger logger, TimeSpan behind, DateTimeOffset latest, string file);

    [LoggerMessage(
        2014, LogLevel.Warning,
        "Cached content {Digest} was damaged on the disk ({Length} bytes there); it was removed, and will be fetched when it is asked for")]
    public static partial void CacheDamaged(ILogger logger, Gateway.Oci.Digest digest, long length);

    [LoggerMessage(
        2015, LogLevel.Error,
        "Pushed content {Digest} is damaged on the disk ({Length} bytes in {File}) and is not served: push it again, or restore the file")]
    public static partial void Damaged(ILogger logger, Gateway.Oci.Digest digest, long length, string file);

    [LoggerMessage(
        2009, LogLevel.Warning, "The latest moment could not be noted; a clock that is set back before the next start may go unnoticed")]
    public static partial void MomentNotNoted(ILogger logger, Exception exception);

    [LoggerMessage(
        2010, LogLevel.Critical,
        "Flush failed; the volume takes no writes until the gateway is restarted, pulls go on: {Call} {Path}: {Failure}")]
    public static partial void FlushFailed(ILogger logger, string call, string path, string failure);

    [LoggerMessage(2011, LogLevel.Error, "Volume opened without writes, pulls go on: {Reason}")]
    public static partial void OpenedWithoutWrites(ILogger logger, string reason);

    [LoggerMessage(2013, LogLevel.Error, "Upload could not be written; the client was answered 503")]
    public static partial void UploadNotWritten(ILogger logger, Exception exception);

    [LoggerMessage(2012, LogLevel.Warning, "Addresses of an upstream could not be noted; they are noted at a later start")]
    public static partial void OriginNotNoted(ILogger logger, Exception exception);
}
