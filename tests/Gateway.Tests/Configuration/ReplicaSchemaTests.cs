using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.Configuration;

/// <summary>The <c>replicas</c> section.</summary>
public sealed class ReplicaSchemaTests : IDisposable
{
    private readonly string _secret = Path.GetTempFileName();
    private readonly string _empty = Path.GetTempFileName();

    public ReplicaSchemaTests() => File.WriteAllText(_secret, "a secret of sixteen or more characters".Replace(' ', '-'));

    public void Dispose()
    {
        File.Delete(_secret);
        File.Delete(_empty);
    }

    [Fact]
    public void Redis_and_peers_are_read()
    {
        var replicas = Yaml.Good(
            $$"""
            replicas:
              redis: { address: [redis-0:6379, redis-1:6379], tls: true, database: 3, keyPrefix: shop }
              peers: [http://10.0.0.2:5002]
              listen: http://0.0.0.0:5002
              advertise: http://10.0.0.1:5002
              secretFile: {{_secret}}
            """).Replicas!;

        Assert.Equal(["redis-0:6379", "redis-1:6379"], replicas.Redis!.Addresses);
        Assert.Equal((true, 3, "shop"), (replicas.Redis.Tls, replicas.Redis.Database, replicas.Redis.KeyPrefix));
        Assert.Equal([new("http://10.0.0.2:5002")], replicas.Peers);
        Assert.Equal(new Uri("http://10.0.0.1:5002"), replicas.Address);
    }

    [Theory]
    [InlineData("listen: http://127.0.0.1:5002", "replicas: expected redis or peers, got neither; add redis: { address: host:6379 }")]
    [InlineData("redis: { address: redis }, listen: http://127.0.0.1:5002", "replicas.redis.address")]
    [InlineData(
        "redis: { address: 'redis:6379', keyPrefix: '{a}' }, listen: http://127.0.0.1:5002", "replicas.redis.keyPrefix: expected letters")]
    [InlineData("redis: { address: 'redis:6379', database: 16 }, listen: http://127.0.0.1:5002", "replicas.redis.database: expected")]
    [InlineData(
        "redis: { address: 'redis:6379' }, listen: http://0.0.0.0:5002",
        "replicas.advertise: must be written, because listen is 0.0.0.0")]
    [InlineData("redis: { address: 'redis:6379' }, listen: https://127.0.0.1:5002", "replicas.listen: https needs a certificate")]
    [InlineData(
        "redis: { address: 'redis:6379', username: gateway }, listen: http://127.0.0.1:5002",
        "replicas.redis.username: expected passwordFile beside it; add passwordFile, or remove it")]
    [InlineData(
        "redis: { address: 'redis:6379', username: 'a b', passwordFile: SECRET }, listen: http://127.0.0.1:5002",
        "replicas.redis.username: expected a user's name without spaces")]
    [InlineData(
        "redis: { address: 'redis:6379', passwordFile: EMPTY }, listen: http://127.0.0.1:5002",
        "replicas.redis.passwordFile: expected a password in")]
    [InlineData(
        "redis: { address: 'redis:6379', passwordFile: /nowhere/password }, listen: http://127.0.0.1:5002",
        "replicas.redis.passwordFile: expected the path of a file that can be read")]
    [InlineData(
        "redis: { address: 'redis:6379', certificateAuthority: SECRET }, listen: http://127.0.0.1:5002",
        "replicas.redis.certificateAuthority: has no effect without TLS; add tls: true, or remove it")]
    [InlineData(
        "redis: { address: 'redis:6379', tls: true, certificateAuthority: SECRET }, listen: http://127.0.0.1:5002",
        "replicas.redis.certificateAuthority: expected a PEM file with certificates")]
    [InlineData(
        "redis: { address: 'redis:6379' }, listen: http://127.0.0.1:5002, advertise: http://0.0.0.0:5002",
        "replicas.advertise: expected an address of this machine, got 0.0.0.0")]
    [InlineData(
        "peers: [https://10.0.0.2:5002], listen: http://127.0.0.1:5002",
        "replicas.peers: expected http as in listen, got https://10.0.0.2:5002/")]
    [InlineData("redis: { address: 'redis:6379' }, listen: http://127.0.0.1:5000", "replicas.listen: expected a port of its own")]
    [InlineData("redis: { address: 'redis:6379' }, listen: http://127.0.0.1:5001", "replicas.listen: expected a port of its own")]
    public void Contradictory_section_is_refused(string text, string expected) =>
        Assert.Contains(expected, Yaml.Mistake($"replicas: {{ {Files(text)}, secretFile: {_secret} }}"));

    [Fact]
    public void Short_secret_is_refused()
    {
        File.WriteAllText(_empty, "short");

        Assert.Contains(
            "replicas.secretFile: expected the path of a file with a token",
            Yaml.Mistake($"replicas: {{ peers: [http://10.0.0.2:5002], listen: http://127.0.0.1:5002, secretFile: {_empty} }}"));
    }

    private string Files(string text) =>
        text.Replace("SECRET", _secret, StringComparison.Ordinal).Replace("EMPTY", _empty, StringComparison.Ordinal);

    [Fact]
    public void Section_without_listen_and_secret_is_refused()
    {
        var mistakes = ConfigurationLoader.Load("replicas: { redis: { address: 'redis:6379' } }", "gateway.yaml", "/", []).Mistakes;

        Assert.Contains(mistakes, each => each.Path == "replicas.listen");
        Assert.Contains(mistakes, each => each.Path == "replicas.secretFile");
    }

    [Fact]
    public void Change_of_peers_needs_a_restart()
    {
        GatewayOptions Options(string peer) => new() { Replicas = new() { Peers = [new(peer)] } };

        Assert.Empty(RestartKeys.Changed(Options("http://10.0.0.2:5002"), Options("http://10.0.0.2:5002")));
        Assert.Equal(["replicas"], RestartKeys.Changed(Options("http://10.0.0.2:5002"), Options("http://10.0.0.3:5002")));
        Assert.Equal(["replicas"], RestartKeys.Changed(Options("http://10.0.0.2:5002"), new()));
    }
}
