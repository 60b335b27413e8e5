namespace Gateway.Registry;

/// <summary>What the face says in the log; event ids 1000 to 1099.</summary>
internal static partial class Log
{
    [LoggerMessage(1000, LogLevel.Information, "The certificate {Path} was read again; new connections are shown it. It ends at {Until:u}")]
    public static partial void CertificateTaken(ILogger logger, string path, DateTimeOffset until);

    [LoggerMessage(1001, LogLevel.Error,
        "Certificate {Path} with key {Key} was changed and cannot be used, the one before it is shown on and ends at {Until:u}: {Reason}")]
    public static partial void CertificateStaysInUse(ILogger logger, string path, string key, string reason, DateTimeOffset until);

    [LoggerMessage(1002, LogLevel.Warning, "The certificate {Path} ends at {Until:u}; put another in its place")]
    public static partial void CertificateEnds(ILogger logger, string path, DateTimeOffset until);

    [LoggerMessage(1003, LogLevel.Warning, "A client certificate is refused ({Subject}): {Reason}")]
    public static partial void ClientRefused(ILogger logger, string subject, string reason);
}
