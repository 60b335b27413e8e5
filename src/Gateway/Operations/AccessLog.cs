using System.Buffers;
using System.Globalization;
using System.Diagnostics.Metrics;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Threading.Channels;

namespace Gateway.Operations;

/// <summary>
/// Writes one line of JSON per request, in the background. If lines arrive faster than they can be written, lines are dropped and counted.
/// </summary>
internal sealed class AccessLog : IAsyncDisposable
{
    // A tenth of a second at 80,000 responses per second, and at most a few MiB.
    private const int MaxWaiting = 8192;

    // Waiting lines are written together.
    private const int MaxBatchBytes = 64 * 1024;

    // Lines gather for this long after a write, at most a tenth of MaxWaiting. Chosen: a reader of the log does not notice it, and 100
    // writes a second cost nothing. At one connection, each request woke a thread for its line.
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(10);

    private const int MaxUserAgentLength = 256;

    private static readonly JsonWriterOptions Relaxed =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    private readonly Channel<RequestRecord> _waiting = Channel.CreateBounded<RequestRecord>(
        new BoundedChannelOptions(MaxWaiting) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });

    private readonly Meter _meter = new("Gateway.AccessLog");
    private readonly Counter<long> _dropped;
    private readonly Stream _output;
    private readonly Task _writing;

    public AccessLog(Stream output)
    {
        _output = output;
        _dropped = _meter.CreateCounter<long>(
            "gateway.access_log.dropped", description: "Lines dropped because standard output was not read fast enough.");
        _writing = Task.Run(WriteAllAsync);
    }

    /// <summary>Queues the line of a request; never waits.</summary>
    public void Write(RequestRecord record)
    {
        if (!_waiting.Writer.TryWrite(record)) _dropped.Add(1);
    }

    /// <summary>Writes the waiting lines, and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _writing;
        _meter.Dispose();
    }

    private async Task WriteAllAsync()
    {
        var buffer = new ArrayBufferWriter<byte>(MaxBatchBytes);
        await using var json = new Utf8JsonWriter(buffer, Relaxed);
        while (await _waiting.Reader.WaitToReadAsync())
        {
            while (buffer.WrittenCount < MaxBatchBytes && _waiting.Reader.TryRead(out var record)) Format(json, buffer, record);
            var isFull = buffer.WrittenCount >= MaxBatchBytes;
            await TryWriteAsync(buffer.WrittenMemory);
            buffer.ResetWrittenCount();
            if (!isFull) await Task.Delay(Gathering);
        }
    }

    // A log that cannot be written (a closed pipe, a full disk) must not end the gateway.
    private async Task TryWriteAsync(ReadOnlyMemory<byte> lines)
    {
        try
        {
            await _output.WriteAsync(lines);
            await _output.FlushAsync();
        }
        catch (IOException)
        {
            _dropped.Add(lines.Span.Count((byte)'\n'));
        }
    }

    internal static void Format(Utf8JsonWriter json, ArrayBufferWriter<byte> buffer, RequestRecord record)
    {
        json.Reset(buffer);
        json.WriteStartObject();
        json.WriteString("time", record.Time.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture));
        Text(json, "requestId", record.RequestId);
        Text(json, "traceId", record.TraceId);
        Text(json, "remote", record.Remote);
        Text(json, "actor", record.Actor);
        Text(json, "method", record.Method);
        Text(json, "route", record.Route);
        Text(json, "repository", record.Repository);
        Text(json, "reference", record.Reference);
        Text(json, "ns", record.Namespace);
        json.WriteNumber("status", record.Status);
        Text(json, "errorCode", record.ErrorCode);
        json.WriteNumber("bytesSent", record.BytesSent);
        json.WriteNumber("bytesRead", record.BytesRead);
        json.WriteNumber("durationMs", Milliseconds(record.Duration));
        if (record.FirstByte is { } first) json.WriteNumber("firstByteMs", Milliseconds(first));
        Text(json, "cache", record.Cache);
        Text(json, "upstream", record.Upstream);
        if (record.UpstreamStatus is { } status) json.WriteNumber("upstreamStatus", status);
        Text(json, "decision", record.Decision);
        Text(json, "reason", record.Reason);
        Text(json, "userAgent", record.UserAgent?[..Math.Min(record.UserAgent.Length, MaxUserAgentLength)]);
        json.WriteBoolean("tls", record.Tls);
        json.WriteEndObject();
        json.Flush();
        buffer.Write("\n"u8);
    }

    // Non-ASCII characters are written as \uXXXX: text that changes the reading direction could show a false line.
    private static void Text(Utf8JsonWriter json, string name, string? value)
    {
        if (string.IsNullOrEmpty(value)) return;
        if (Ascii.IsValid(value)) json.WriteString(name, value);
        else
        {
            json.WritePropertyName(name);
            json.WriteRawValue($"\"{JavaScriptEncoder.Default.Encode(value)}\"", skipInputValidation: true);
        }
    }

    // Readers need nothing finer than microseconds.
    private static double Milliseconds(TimeSpan time) => Math.Round(time.TotalMilliseconds, 3);
}
