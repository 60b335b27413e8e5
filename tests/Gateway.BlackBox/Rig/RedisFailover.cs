namespace Gateway.BlackBox.Rig;

/// <summary>A Redis primary and its replica, watched by a Sentinel that promotes the replica when the primary dies.</summary>
internal sealed class RedisFailover : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private FaultyProxy? _link;
    private Server? _sentinel;

    public RedisServer Primary { get; private set; } = null!;

    public RedisServer Replica { get; private set; } = null!;

    public static async Task<RedisFailover> StartAsync()
    {
        var pair = new RedisFailover();
        try
        {
            pair.Primary = await RedisServer.StartAsync(more: ["--repl-diskless-sync-delay", "0"]);
            pair._link = new(pair.Primary.Port);
            pair.Replica = await RedisServer.StartAsync(more: ["--replicaof", "127.0.0.1", $"{pair._link.Port}"]);
            await Eventually.TrueAsync(
                async () => await pair.Replica.RoleAsync() == "slave connected", () => pair.Replica.Log);
            pair._sentinel = Server.Start(RigFolder.Program("redis-server"), [pair._folder.Write("sentinel.conf", $"""
                port {FreePorts.Next()}
                bind 127.0.0.1
                dir {pair._folder.Path}
                sentinel monitor main 127.0.0.1 {pair.Primary.Port} 1
                sentinel down-after-milliseconds main 500
                sentinel failover-timeout main 2000
                """), "--sentinel"]);
            await Eventually.TrueAsync(
                () => Task.FromResult(pair._sentinel.Output.Any(line => line.Contains("+slave slave", StringComparison.Ordinal))),
                () => pair._sentinel.Tail());
            return pair;
        }
        catch
        {
            await pair.DisposeAsync();
            throw;
        }
    }

    /// <summary>From now on, what is written to the primary does not reach the replica.</summary>
    public void LoseWrites() => _link!.Swallows = true;

    /// <summary>Kills the primary, and waits until Sentinel has promoted the replica.</summary>
    public async Task FailOverAsync()
    {
        await Primary.KillAsync();
        await Eventually.TrueAsync(
            async () => await Replica.RoleAsync() == "master", () => _sentinel!.Tail());
    }

    public async ValueTask DisposeAsync()
    {
        if (_sentinel is not null) await _sentinel.DisposeAsync();
        if (Replica is not null) await Replica.DisposeAsync();
        if (_link is not null) await _link.DisposeAsync();
        if (Primary is not null) await Primary.DisposeAsync();
        _folder.Dispose();
    }
}
