namespace Gateway.Commands;

/// <summary>A progress line on the terminal; prints nothing if standard error is not a terminal.</summary>
internal sealed class ProgressLine(TextWriter error)
{
    // Carriage return and "erase to the end of the line" (ECMA-48, EL).
    private const string Erase = "\r\e[K";

    private readonly bool _isShown = !Console.IsErrorRedirected && ReferenceEquals(error, Console.Error);

    /// <summary>Replaces the previous text with this one.</summary>
    public Task ShowAsync(string text) => _isShown ? error.WriteAsync(Erase + text) : Task.CompletedTask;

    /// <summary>Clears the line before other output.</summary>
    public Task ClearAsync() => _isShown ? error.WriteAsync(Erase) : Task.CompletedTask;
}
