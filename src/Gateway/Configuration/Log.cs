namespace Gateway.Configuration;

/// <summary>Log messages of the configuration; event ids 6000 to 6099.</summary>
internal static partial class Log
{
    [LoggerMessage(6000, LogLevel.Information, "Configuration {Path} reloaded; it is now in force")]
    public static partial void Reloaded(ILogger logger, string path);

    [LoggerMessage(6001, LogLevel.Error, "Configuration rejected; the previous one stays in force: {Mistake}")]
    public static partial void Refused(ILogger logger, string mistake);

    [LoggerMessage(6002, LogLevel.Error,
        "Configuration rejected; the previous one stays in force: a change of {Keys} needs a restart")]
    public static partial void NeedsRestart(ILogger logger, string keys);

    [LoggerMessage(6003, LogLevel.Error, "Configuration not applied; the previous one stays in force")]
    public static partial void ApplyFailed(ILogger logger, Exception exception);

    [LoggerMessage(6004, LogLevel.Warning, "Changes of {Path} cannot be watched; send SIGHUP to reload: {Reason}")]
    public static partial void NotWatched(ILogger logger, string path, string reason);

    [LoggerMessage(6006, LogLevel.Warning, "Likely mistake in the configuration in force: {Doubt}")]
    public static partial void Doubtful(ILogger logger, string doubt);

    [LoggerMessage(6005, LogLevel.Warning, "Configuration {Path} is a pipe and cannot be read again; it stays in force")]
    public static partial void ReadOnce(ILogger logger, string path);
}
