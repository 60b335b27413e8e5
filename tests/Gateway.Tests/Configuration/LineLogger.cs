using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Gateway.Tests.Configuration;

/// <summary>Keeps each line that is logged.</summary>
internal sealed class LineLogger : ILogger
{
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly ConcurrentQueue<string> _all = new();

    /// <summary>All that was logged, in order.</summary>
    public IReadOnlyCollection<string> Lines => _all;

    public async Task Has(string part)
    {
        using var deadline = Patience.Limit(30);
        while (!(await _lines.Reader.ReadAsync(deadline.Token)).Contains(part, StringComparison.Ordinal))
        {
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        _all.Enqueue(formatter(state, exception));
        _lines.Writer.TryWrite(formatter(state, exception));
    }
}
