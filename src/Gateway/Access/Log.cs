using System.Net;

namespace Gateway.Access;

/// <summary>
/// Log messages of access; event ids 5000 to 5999. A name is written only if it is an account's, because people type passwords into the
/// name field.
/// </summary>
internal static partial class Log
{
    [LoggerMessage(5000, LogLevel.Information, "Accounts read from {Path}: {Count}")]
    public static partial void AccountsRead(ILogger logger, string path, int count);

    [LoggerMessage(5001, LogLevel.Warning, "Line {Line} of {Path} is ignored: {Reason}")]
    public static partial void LineIgnored(ILogger logger, string path, int line, string reason);

    [LoggerMessage(5002, LogLevel.Error, "Accounts of {Path} not read; the previous {Count} accounts stay in force: {Reason}")]
    public static partial void AccountsUnreadable(ILogger logger, string path, string reason, int count);

    [LoggerMessage(5003, LogLevel.Warning, "Wrong password for {Account} from {Remote}")]
    public static partial void WrongPassword(ILogger logger, string account, IPAddress? remote);

    [LoggerMessage(5004, LogLevel.Warning, "Login with an unknown account from {Remote}")]
    public static partial void UnknownAccount(ILogger logger, IPAddress? remote);

    [LoggerMessage(5005, LogLevel.Error, "Keys of issuer {Issuer} not read from {Path}: {Reason}")]
    public static partial void KeysUnreadable(ILogger logger, string issuer, string path, string reason);

    [LoggerMessage(5006, LogLevel.Error, "Keys of issuer {Issuer} not fetched: {Reason}")]
    public static partial void KeysNotAnswered(ILogger logger, string issuer, string reason);

    [LoggerMessage(5007, LogLevel.Warning, "Token of issuer {Issuer} refused: {Reason}")]
    public static partial void TokenRefused(ILogger logger, string issuer, string reason);

    [LoggerMessage(5008, LogLevel.Error, "Secret of the tokens cannot be read; the one before stays in use: {Why}")]
    public static partial void TokenKeyUnreadable(ILogger logger, string why);
}
