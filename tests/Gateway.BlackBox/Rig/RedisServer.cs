using System.Net.Sockets;
using System.Text;

namespace Gateway.BlackBox.Rig;

/// <summary>Debian's redis-server or valkey-server, without a file: what it knows is gone when it is killed.</summary>
/// <param name="program">redis-server or valkey-server.</param>
internal sealed class RedisServer(string program = "redis-server") : IAsyncDisposable
{
    private readonly int _port = FreePorts.Next();
    private readonly TempFolder _folder = new();
    private string[] _more = [];
    private string? _password;
    private Server? _server;

    public int Port => _port;

    public string Address => $"127.0.0.1:{_port}";

    public string Log => _server?.Tail() ?? "";

    /// <param name="password">The password that it requires; null for none.</param>
    /// <param name="program">redis-server or valkey-server.</param>
    /// <param name="more">More arguments; kept for later starts.</param>
    public static async Task<RedisServer> StartAsync(
        string? password = null, string program = "redis-server", string[]? more = null)
    {
        var redis = new RedisServer(program) { _password = password, _more = more ?? [] };
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
            .. _password is null ? (string[])[] : ["--requirepass", _password], .. _more,
        ];
        _server = Server.Start(RigFolder.Program(program), arguments);
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

    /// <summary>The answer of a script, in Lua's form of JSON.</summary>
    public async Task<System.Text.Json.Nodes.JsonNode> EvalAsync(string script)
    {
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", _port);
        await using var stream = client.GetStream();
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var text = $"return cjson.encode({script})";
        await stream.WriteAsync(Encoding.UTF8.GetBytes(
            $"*3\r\n$4\r\nEVAL\r\n${Encoding.UTF8.GetByteCount(text)}\r\n{text}\r\n$1\r\n0\r\n"));
        var head = await reader.ReadLineAsync();
        Assert.True(head?.StartsWith('$') == true, $"{script}: {head}");
        var answer = new char[int.Parse(head![1..])];
        await reader.ReadBlockAsync(answer);
        return System.Text.Json.Nodes.JsonNode.Parse(new string(answer))!;
    }

    /// <summary>"master", or "slave" with the state of its link behind it; empty if there is no answer.</summary>
    public async Task<string> RoleAsync()
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync("127.0.0.1", _port);
            await using var stream = client.GetStream();
            using var reader = new StreamReader(stream, Encoding.ASCII);
            await stream.WriteAsync("ROLE\r\n"u8.ToArray());
            // The length of the answer, and of its first part.
            for (var skipped = 0; skipped < 2; skipped++) await reader.ReadLineAsync();
            var role = await reader.ReadLineAsync() ?? "";
            if (role != "slave") return role;
            // Host, port, and the length of the state.
            for (var skipped = 0; skipped < 4; skipped++) await reader.ReadLineAsync();
            return $"{role} {await reader.ReadLineAsync()}";
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            return "";
        }
    }

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
