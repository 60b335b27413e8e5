namespace Gateway.Replicas;

/// <summary>Log messages of replicas.</summary>
internal static partial class Log
{
    [LoggerMessage(10001, LogLevel.Information, "Redis {Address} answers; replicas share fetches, tags and rate budgets")]
    public static partial void RedisUp(ILogger logger, string address);

    [LoggerMessage(10002, LogLevel.Warning, "Redis {Address} does not answer; this replica works alone until it does: {Why}")]
    public static partial void RedisDown(ILogger logger, string address, string why);

    [LoggerMessage(10003, LogLevel.Error, "Secret of the replicas cannot be read; the one before stays in use: {Why}")]
    public static partial void NoSecret(ILogger logger, string why);

    [LoggerMessage(10004, LogLevel.Information, "Listening for replicas on {Url}, known to them as {Address} ({Id})")]
    public static partial void Listening(ILogger logger, Uri url, Uri address, string id);

    [LoggerMessage(10005, LogLevel.Information, "Replica {Url} joined")]
    public static partial void Joined(ILogger logger, Uri url);

    [LoggerMessage(10006, LogLevel.Warning, "Replica {Url} left or is not known to Redis any more")]
    public static partial void Left(ILogger logger, Uri url);

    [LoggerMessage(10007, LogLevel.Debug, "Reading {Digest} from replica {Peer} from byte {Position}")]
    public static partial void Following(ILogger logger, Digest digest, Uri peer, long position);

    [LoggerMessage(
        10008, LogLevel.Information, "Replica {Peer} stopped serving {Digest} at byte {Position}; another source takes over: {Why}")]
    public static partial void PeerFailed(ILogger logger, Uri peer, Digest digest, long position, string why);

    [LoggerMessage(10009, LogLevel.Information, "Replica {Peer} took over the fetch of {Digest} at byte {Position}")]
    public static partial void TurnLost(ILogger logger, Uri peer, Digest digest, long position);

    [LoggerMessage(10015, LogLevel.Error, "Lease of the fetch of {Digest} failed; the fetch itself goes on")]
    public static partial void TurnFailed(ILogger logger, Exception e, Digest digest);

    [LoggerMessage(
        10018, LogLevel.Warning,
        "{Count} replicas in Redis ignored; expected a signature by this replica's secret and an address of its own scheme, got others")]
    public static partial void MembersUnsigned(ILogger logger, int count);

    [LoggerMessage(
        10019, LogLevel.Warning,
        "Clock of this machine is {Seconds:0} s before that of Redis; without Redis, replicas refuse each other beyond 2 minutes")]
    public static partial void ClockSkewed(ILogger logger, double seconds);

    [LoggerMessage(10016, LogLevel.Warning, "News of {By} ignored; expected a signature by the secret of the replicas, got another one")]
    public static partial void NewsUnsigned(ILogger logger, string by);

    [LoggerMessage(10017, LogLevel.Error, "News {Id} of replicas could not be carried out and is given up; run the purge here again")]
    public static partial void NewsGivenUp(ILogger logger, Exception e, string id);

    [LoggerMessage(
        10010, LogLevel.Warning,
        "Request of {Address} to the listener for replicas refused; its signature is wrong, or of another time than the last 2 minutes")]
    public static partial void Unsigned(ILogger logger, string address);

    [LoggerMessage(10011, LogLevel.Warning, "Replica {Url} did not confirm the purge of {What}; it purges when it reads the news: {Why}")]
    public static partial void PurgeUnconfirmed(ILogger logger, Uri url, string what, string why);

    [LoggerMessage(10012, LogLevel.Information, "Purged {What}, as another replica was told")]
    public static partial void Purged(ILogger logger, string what);

    [LoggerMessage(10013, LogLevel.Warning, "News of replicas were lost; every remembered answer of upstreams is dropped")]
    public static partial void NewsLost(ILogger logger);

    [LoggerMessage(10014, LogLevel.Warning, "News of replicas could not be carried out; trying again: {Why}")]
    public static partial void NewsFailed(ILogger logger, string why);
}
