namespace Gateway.Storage;

/// <summary>What the index says to the operator.</summary>
internal static partial class Log
{
    [LoggerMessage(
        EventId = 2016, Level = LogLevel.Warning,
        Message = "The index in {Folder} cannot be used and is set aside; an empty one starts, and the disk answers meanwhile")]
    public static partial void IndexSetAside(ILogger logger, Exception failure, string folder);

    [LoggerMessage(
        EventId = 2017, Level = LogLevel.Error,
        Message = "The index in {Folder} failed and is off until the next start; the disk answers, slower. "
            + "Look at the volume's health and free space")]
    public static partial void IndexOff(ILogger logger, Exception failure, string folder);
}
