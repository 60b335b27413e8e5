using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Gateway.Storage.Tests;

/// <summary>A store on loopback that answers each request as a test says, and keeps what was asked.</summary>
internal sealed class ScriptedStore : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Func<StoreRequest, Task> _answer;
    private readonly ConcurrentDictionary<Socket, Task> _open = new();
    private readonly Task _serving;
    private readonly Lock _lock = new();
    private readonly List<string> _requests = [];

    public ScriptedStore(Func<StoreRequest, Task> answer)
    {
        _answer = answer;
        _listener.Start();
        Endpoint = new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/");
        _serving = ServeAsync();
    }

    public Uri Endpoint { get; }

    /// <summary>Method, path and query of each request.</summary>
    public IReadOnlyList<string> Requests
    {
        get
        {
            lock (_lock) return [.. _requests];
        }
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptSocketAsync();
            }
            // The last one: it was stopped between two calls.
            catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
            {
                return;
            }
            _open[socket] = AnswerAllAsync(socket);
        }
    }

    private async Task AnswerAllAsync(Socket socket)
    {
        try
        {
            await using var stream = new NetworkStream(socket, ownsSocket: true);
            using var reader = new StreamReader(stream, Encoding.Latin1);
            while (await reader.ReadLineAsync() is { Length: > 0 } line)
            {
                var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
                while (await reader.ReadLineAsync() is { Length: > 0 } header)
                    headers[header[..header.IndexOf(':')]] = header[(header.IndexOf(':') + 1)..].Trim();
                if (headers.ContainsKey("Expect")) await stream.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray());
                var body = new char[int.Parse(headers.GetValueOrDefault("Content-Length", "0"), CultureInfo.InvariantCulture)];
                if (body.Length > 0) await reader.ReadBlockAsync(body);
                int number;
                lock (_lock)
                {
                    _requests.Add(line[..line.LastIndexOf(' ')]);
                    number = _requests.Count;
                }
                await _answer(new(stream, line[..line.IndexOf(' ')], headers, number));
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The client has gone, or the answer was to end the connection.
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _serving;
        foreach (var (socket, _) in _open) socket.Dispose();
    }
}

/// <summary>A request to <see cref="ScriptedStore"/>.</summary>
/// <param name="Number">From 1.</param>
internal sealed record StoreRequest(NetworkStream Stream, string Method, IReadOnlyDictionary<string, string> Headers, int Number)
{
    public string? this[string header] => Headers.GetValueOrDefault(header);

    /// <summary>Answers with an error of S3.</summary>
    /// <param name="says">Text of the store, which can be anything.</param>
    public Task ErrorAsync(int status, string code, string says = "") =>
        AnswerAsync(status, $"<Error><Code>{code}</Code><Message>{says}</Message><RequestId>1</RequestId></Error>");

    /// <param name="length">The length that the answer claims; null for that of the body.</param>
    /// <param name="date">The time of the store; null to say none.</param>
    public async Task AnswerAsync(int status, string body = "", string etag = "\"e\"", int? length = null, DateTimeOffset? date = null) =>
        await Stream.WriteAsync(Encoding.UTF8.GetBytes(
            $"HTTP/1.1 {status} Status\r\nETag: {etag}\r\nLast-Modified: {DateTime.UtcNow:R}\r\n"
            + (date is { } time ? $"Date: {time:R}\r\n" : "")
            + $"Content-Length: {length ?? body.Length}\r\n\r\n{body}"));

    /// <summary>Ends the connection without an answer, or in the middle of one.</summary>
    public Task CutAsync()
    {
        Stream.Socket.LingerState = new(true, 0);
        Stream.Dispose();
        return Task.CompletedTask;
    }
}
