using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Gateway.Operations;

/// <summary>
/// Formats each event as one line of printable characters. Names, addresses and messages of upstreams appear in the log, and must not be
/// able to start a new line, color the terminal or change the reading direction (CWE-117).
/// </summary>
internal sealed class OneLineFormatter() : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "gateway";

    public override void Write<TState>(in LogEntry<TState> entry, IExternalScopeProvider? scopes, TextWriter writer)
    {
        var time = DateTimeOffset.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
        var line = new StringBuilder($"{time} {Level(entry.LogLevel)}: {entry.Category}[{entry.EventId.Id}] ");
        Append(line, entry.Formatter(entry.State, entry.Exception));
        if (entry.Exception is not null) Append(line.Append(' '), entry.Exception.ToString());
        writer.Write(line.Append('\n').ToString());
    }

    // The level names of the console's own formatter.
    private static string Level(LogLevel level) => level switch
    {
        LogLevel.Trace => "trce",
        LogLevel.Debug => "dbug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        LogLevel.Error => "fail",
        _ => "crit",
    };

    // Line endings of a stack trace become spaces; other control characters are escaped.
    private static void Append(StringBuilder line, string text)
    {
        foreach (var c in text.AsSpan())
        {
            if (c == '\n') line.Append(' ');
            else if (IsPlain(c)) line.Append(c);
            else line.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
        }
    }

    private static bool IsPlain(char c) => char.GetUnicodeCategory(c) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned);
}
