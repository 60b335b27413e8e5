using System.Net;

namespace Gateway.Access;

/// <summary>
/// What access says in the log; event ids 5000 to 5099. A name is written only if it is an account's: people type passwords where names
/// belong.
/// </summary>
internal static partial class Log
{
    [LoggerMessage(5000, LogLevel.Information, "Accounts read from {Path}: {Count}")]
    public static partial void AccountsRead(ILogger logger, string path, int count);

    [LoggerMessage(5001, LogLevel.Warning, "Line {Line} of {Path} is ignored: {Reason}")]
    public static partial void LineIgnored(ILogger logger, string path, int line, string reason);

    [LoggerMessage(5002, LogLevel.Error, "Accounts of {Path} not read: {Reason}. The {Count} accounts read before stay in force")]
    public static partial void AccountsUnreadable(ILogger logger, string path, string reason, int count);

    [LoggerMessage(5003, LogLevel.Warning, "Wrong password for {Account} from {Remote}")]
    public static partial void WrongPassword(ILogger logger, string account, IPAddress? remote);

    [LoggerMessage(5004, LogLevel.Warning, "Login of an account that does not exist from {Remote}")]
    public static partial void UnknownAccount(ILogger logger, IPAddress? remote);

    [LoggerMessage(5005, LogLevel.Error, "The keys of issuer {Issuer} cannot be read from {Path}: {Reason}")]
    public static partial void KeysUnreadable(ILogger logger, string issuer, string path, string reason);

    [LoggerMessage(5006, LogLevel.Error, "The keys of issuer {Issuer} cannot be had: {Reason}")]
    public static partial void KeysNotAnswered(ILogger logger, string issuer, string reason);

    [LoggerMessage(5007, LogLevel.Warning, "A token of issuer {Issuer} is refused: {Reason}")]
    public static partial void TokenRefused(ILogger logger, string issuer, string reason);
}
