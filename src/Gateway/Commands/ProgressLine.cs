namespace Gateway.Commands;

/// <summary>One line on a terminal that says how far something is; nothing where standard error is no terminal.</summary>
internal sealed class ProgressLine(TextWriter error)
{
    // Carriage return and "erase to the end of the line" (ECMA-48, EL).
    private const string Erase = "\r\e[K";

    private readonly bool _isShown = !Console.IsErrorRedirected && ReferenceEquals(error, Console.Error);

    /// <summary>Puts this text in the place of the one before.</summary>
    public Task ShowAsync(string text) => _isShown ? error.WriteAsync(Erase + text) : Task.CompletedTask;

    /// <summary>Makes room for a line of output.</summary>
    public Task ClearAsync() => _isShown ? error.WriteAsync(Erase) : Task.CompletedTask;
}
