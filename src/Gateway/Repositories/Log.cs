namespace Gateway.Repositories;

/// <summary>What the gate tells the operator.</summary>
internal static partial class Log
{
    [LoggerMessage(8001, LogLevel.Warning, "Removing expired held pushes and orphaned evidence failed; trying again in an hour")]
    public static partial void SweepFailed(ILogger logger, Exception why);
}
