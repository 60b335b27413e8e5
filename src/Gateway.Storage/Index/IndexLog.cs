namespace Gateway.Storage;

/// <summary>The log messages of the lookup index.</summary>
internal static partial class Log
{
    [LoggerMessage(
        2016, LogLevel.Warning,
        "Lookup index in {Folder} cannot be used; it is set aside, and an empty one fills up while lookups read the disk")]
    public static partial void IndexSetAside(ILogger logger, Exception failure, string folder);

    [LoggerMessage(
        2017, LogLevel.Error,
        "Lookup index in {Folder} failed and is off until the next start; lookups read the disk, which is slower. "
            + "Check the health and the free space of the volume")]
    public static partial void IndexOff(ILogger logger, Exception failure, string folder);
}
