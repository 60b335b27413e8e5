using System.Net.Sockets;
using System.Text;

namespace Gateway.BlackBox.Rig;

/// <summary>Debian's redis-server, without a file: what it knows is gone when it is killed.</summary>
internal sealed class RedisServer : IAsyncDisposable
{
    private readonly int _port = Server.FreePort();
    private readonly TempFolder _folder = new();
    private string? _password;
    private Server? _server;

    public string Address => $"127.0.0.1:{_port}";

    public string Log => _server?.Tail() ?? "";

    /// <param name="password">The password that it requires; null for none.</param>
    public static async Task<RedisServer> StartAsync(string? password = null)
    {
        var redis = new RedisServer { _password = password };
        await redis.StartAgainAsync();
        return redis;
    }

    /// <summary>Starts it, empty, on the same port.</summary>
    /// <param name="password">Another password than before; null for the same.</param>
    public async Task StartAgainAsync(string? password = null)
    {
        _password = password ?? _password;
        string[] arguments =
        [
            "--port", _port.ToString(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", _folder.Path,
            .. _password is null ? (string[])[] : ["--requirepass", _password],
        ];
        _server = Server.Start(RigFolder.Program("redis-server"), arguments);
        await _server.ReadyOrEndedAsync(() => Eventually.TrueAsync(async () => await TryAsync("PING") == "+PONG", () => Log));
    }

    public void Pause() => _server!.Pause();

    public void Continue() => _server!.Continue();

    public async Task KillAsync()
    {
        await _server!.DisposeAsync();
        _server = null;
    }

    /// <summary>Removes every key.</summary>
    public async Task FlushAsync() => Assert.Equal("+OK", await TryAsync("FLUSHALL"));

    /// <summary>The first line of the answer to an inline command; null if there is no answer.</summary>
    public async Task<string?> TryAsync(string command)
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync("127.0.0.1", _port);
            await using var stream = client.GetStream();
            using var reader = new StreamReader(stream, Encoding.ASCII);
            if (_password is not null)
            {
                await stream.WriteAsync(Encoding.ASCII.GetBytes($"AUTH {_password}\r\n"));
                await reader.ReadLineAsync();
            }
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"{command}\r\n"));
            return await reader.ReadLineAsync();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _folder.Dispose();
    }
}
