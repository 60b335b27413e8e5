using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary><c>gateway verify</c> asks Redis for real, and says what is wrong with it.</summary>
public sealed class RedisProbeTests : IDisposable
{
    private readonly Client _client = new();

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task Verify_writes_to_Redis_reads_from_it_and_says_what_is_wrong()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var locked = await RedisServer.StartAsync(password: "right");
        await using var replica = await RedisServer.StartAsync(more: ["--replicaof", "127.0.0.1", $"{redis.Port}"]);
        await using var slow = new FaultyProxy(redis.Port) { Delay = TimeSpan.FromMilliseconds(400) };
        _client.Folder.Write("wrong", "wrong");
        _client.Folder.Write("right", "right");

        // One after the other would wait for seven starts of the runtime.
        var said = await Task.WhenAll(
            VerifyAsync("good", $"address: '{redis.Address}'"),
            VerifyAsync("locked", $"address: '{locked.Address}', passwordFile: '{_client.Folder["right"]}'"),
            VerifyAsync("wrong-password", $"address: '{locked.Address}', passwordFile: '{_client.Folder["wrong"]}'"),
            VerifyAsync("no-password", $"address: '{locked.Address}'"),
            VerifyAsync("read-only", $"address: '{replica.Address}'"),
            VerifyAsync("slow", $"address: '127.0.0.1:{slow.Port}'"),
            VerifyAsync("nothing", "address: '127.0.0.1:1'"));

        string[] expected =
        [
            "a value was written and read in", "a value was written and read in", "WRONGPASS", "NOAUTH", "replica",
            "expected an answer within 200 ms (replicas.timeout), got one after",
            "expected an answer of replicas.redis, got: ",
        ];
        Assert.DoesNotContain("multiplexer", said[^1], StringComparison.Ordinal);
        Assert.All(expected.Zip(said), pair => Assert.Contains(pair.First, pair.Second, StringComparison.OrdinalIgnoreCase));
    }

    private async Task<string> VerifyAsync(string name, string redis)
    {
        var file = _client.Folder.Write($"{name}.yaml", $$"""
            replicas:
              redis: { {{redis}} }
              listen: http://127.0.0.1:5002
              secretFile: {{_client.Folder.Write("secret", "a-secret-of-all-replicas")}}
            """);
        var output = await _client.RunAsync("dotnet", GatewayProcess.Assembly, "verify", "--config", file);
        return $"{output.Stdout}\n{output.Stderr}";
    }
}
