namespace Gateway.Configuration;

/// <summary>What configuration says in the log; event ids 6000 to 6099.</summary>
internal static partial class Log
{
    [LoggerMessage(6000, LogLevel.Information, "The configuration {Path} was read again and holds now")]
    public static partial void Reloaded(ILogger logger, string path);

    [LoggerMessage(6001, LogLevel.Error, "The configuration was not taken up, the one before it holds on: {Mistake}")]
    public static partial void Refused(ILogger logger, string mistake);

    [LoggerMessage(6002, LogLevel.Error,
        "The configuration was not taken up, the one before it holds on: a change of {Keys} needs a restart")]
    public static partial void NeedsRestart(ILogger logger, string keys);

    [LoggerMessage(6003, LogLevel.Error, "The configuration was not taken up, the one before it holds on")]
    public static partial void ApplyFailed(ILogger logger, Exception exception);

    [LoggerMessage(6004, LogLevel.Warning, "Changes of {Path} are noticed on SIGHUP only: {Reason}")]
    public static partial void NotWatched(ILogger logger, string path, string reason);

    [LoggerMessage(6006, LogLevel.Warning, "In the configuration that holds now: {Doubt}")]
    public static partial void Doubtful(ILogger logger, string doubt);

    [LoggerMessage(6005, LogLevel.Warning, "The configuration came from {Path}, which cannot be read again; what it said holds on")]
    public static partial void ReadOnce(ILogger logger, string path);
}
