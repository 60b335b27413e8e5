namespace Gateway.PullThrough;

/// <summary>Log messages of pull-through repositories.</summary>
internal static partial class Log
{
    [LoggerMessage(7001, LogLevel.Information, "Fetched {Digest} ({Bytes} bytes) from {Upstream}")]
    public static partial void Fetched(ILogger logger, Digest digest, long bytes, string upstream);

    [LoggerMessage(7002, LogLevel.Warning, "Fetch of {Digest} failed at byte {Position}: {Why}")]
    public static partial void FetchFailed(ILogger logger, Digest digest, long position, string why);

    [LoggerMessage(7003, LogLevel.Information, "Resuming fetch of {Digest} from {Upstream} at byte {Position}: {Why}")]
    public static partial void Resuming(ILogger logger, Digest digest, string upstream, long position, string why);

    [LoggerMessage(
        7017, LogLevel.Information,
        "Restarting fetch of {Digest} from {Upstream} at byte 0, because it cannot be resumed at byte {Position}: {Why}")]
    public static partial void RangeRefused(ILogger logger, Digest digest, string upstream, long position, string why);

    [LoggerMessage(7004, LogLevel.Information, "Trying another source of {Digest}: {Why}")]
    public static partial void SourceFailed(ILogger logger, Digest digest, string why);

    [LoggerMessage(7005, LogLevel.Error, "Wrong bytes for {Digest} from upstream {Upstream}; they are not stored: {Why}")]
    public static partial void WrongBytes(ILogger logger, Digest digest, string upstream, string why);

    [LoggerMessage(
        7022, LogLevel.Error,
        "Wrong bytes for {Digest} from replica {Peer}; they are not stored, and the upstream is asked for the next minutes: {Why}")]
    public static partial void WrongBytesOfPeer(ILogger logger, Digest digest, string peer, string why);

    [LoggerMessage(7006, LogLevel.Information, "Fetching {Digest} again, because no byte was sent to a client yet: {Why}")]
    public static partial void AskingAgain(ILogger logger, Digest digest, string why);

    [LoggerMessage(7007, LogLevel.Warning, "Fetched {Digest} could not be stored")]
    public static partial void NotStored(ILogger logger, Exception e, Digest digest);

    [LoggerMessage(7008, LogLevel.Warning, "Volume is full; a response with {Digest} continues from the upstream at byte {Offset}")]
    public static partial void GoingOnAlone(ILogger logger, Digest digest, long offset);

    [LoggerMessage(7009, LogLevel.Debug, "Range of {Digest} beside its fetch failed: {Why}")]
    public static partial void NoRange(ILogger logger, Digest digest, string why);

    [LoggerMessage(7010, LogLevel.Warning, "Upstream {Upstream} did not answer for {Name}:{Tag}: {Why}")]
    public static partial void TagNotAnswered(ILogger logger, string upstream, RepositoryName name, TagName tag, string why);

    [LoggerMessage(7011, LogLevel.Warning, "Upstream {Upstream} did not answer for {What} of {Name}: {Why}")]
    public static partial void ListNotAnswered(ILogger logger, string upstream, RepositoryName name, string what, string why);

    [LoggerMessage(
        7012, LogLevel.Warning, "Upstream {Upstream} has more tags of {Name} than the gateway reads ({Count}); lists are incomplete")]
    public static partial void TagsCut(ILogger logger, string upstream, RepositoryName name, int count);

    [LoggerMessage(7013, LogLevel.Warning, "Upstream {Upstream} did not list its repositories: {Why}")]
    public static partial void CatalogNotAnswered(ILogger logger, string upstream, string why);

    [LoggerMessage(
        7014, LogLevel.Warning, "Blob {Digest} was fetched, but its link was not committed; the next request asks the upstream again")]
    public static partial void NotLinked(ILogger logger, Exception exception, Digest digest);

    [LoggerMessage(7020, LogLevel.Information, "Prefetch of {Digest} failed: {Why}")]
    public static partial void NotPrefetched(ILogger logger, Digest digest, string why);

    [LoggerMessage(7021, LogLevel.Warning, "Prefetch failed")]
    public static partial void PrefetchFailed(ILogger logger, Exception exception);
}
