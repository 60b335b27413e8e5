namespace Gateway.Registry;

/// <summary>What this room logs; event ids 1000 to 1099.</summary>
internal static partial class Log
{
    [LoggerMessage(1000, LogLevel.Information, "Certificate {Path} loaded; new connections use it until {Until:u}")]
    public static partial void CertificateTaken(ILogger logger, string path, DateTimeOffset until);

    [LoggerMessage(1001, LogLevel.Error,
        "Certificate {Path} with key {Key} cannot be used; the previous one stays in use until {Until:u}: {Reason}")]
    public static partial void CertificateStaysInUse(ILogger logger, string path, string key, string reason, DateTimeOffset until);

    [LoggerMessage(1002, LogLevel.Warning, "Certificate {Path} expires at {Until:u}; replace it")]
    public static partial void CertificateEnds(ILogger logger, string path, DateTimeOffset until);

    [LoggerMessage(1003, LogLevel.Warning, "Client certificate refused ({Subject}): {Reason}")]
    public static partial void ClientRefused(ILogger logger, string subject, string reason);
}
