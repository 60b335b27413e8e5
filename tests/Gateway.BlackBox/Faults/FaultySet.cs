using System.Globalization;
using System.Security.Cryptography;
using Gateway.BlackBox.Rig;
using Gateway.Testing;
using Scripted;

namespace Gateway.BlackBox.Faults;

/// <summary>
/// Three gateways on one bucket that also share Redis and an upstream, with a faulty proxy on each way between them. The account "ci" can
/// push; anyone can pull. Below <c>held/</c> a push waits for a signature.
/// </summary>
internal sealed class FaultySet : IAsyncDisposable
{
    /// <summary>How many gateways run an older version, a colon, and the <c>gateway.dll</c> of that version; unset for none.</summary>
    private const string Older = "GATEWAY_BUCKET_OLDER";

    private readonly TempFolder _folder = new();
    private readonly int[] _ports = [.. Enumerable.Range(0, BucketSet.Count).Select(_ => FreePorts.Next())];
    private readonly HttpClient _http = new() { Timeout = Patience.Of(30) };
    private int _passwords;
    private BucketSet? _bucket;

    /// <summary>The password of the account.</summary>
    public static string Password { get; } = Canary.Secret("ci");

    public BucketSet Bucket => _bucket!;

    public GatewayProcess[] Gateways => Bucket.Gateways;

    public ScriptedUpstream Upstream { get; private set; } = null!;

    public RedisServer Redis { get; private set; } = null!;

    public FaultyProxy RedisProxy { get; private set; } = null!;

    /// <summary>In front of each gateway's listener for the others.</summary>
    public FaultyProxy[] Peers { get; private set; } = [];

    /// <summary>The key whose signatures release held pushes.</summary>
    public ECDsa Key { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    /// <param name="addresses">The value of <c>replicas.redis.address</c>, in place of the set's own Redis; null for that one.</param>
    public static async Task<FaultySet> StartAsync(Func<Task<S3Server?>> store, string? addresses = null)
    {
        var set = new FaultySet();
        try
        {
            using (var client = new Client())
            {
                var account = (await client.RunAsync("htpasswd", "-nbB", "ci", Password)).Succeeded().Stdout.Trim();
                set._folder.Write("htpasswd", account + "\n");
            }
            set._folder.Write("key.pub", set.Key.ExportSubjectPublicKeyInfoPem());
            set._folder.Write("secret", Canary.Secret("of-all-three-replicas"));
            set._folder.Write("password", Canary.Secret("redis-0"));
            set.Upstream = await ScriptedUpstream.StartAsync();
            set.Redis = await RedisServer.StartAsync(Canary.Secret("redis-0"));
            set.RedisProxy = new(set.Redis.Port);
            set.Peers = [.. set._ports.Select(port => new FaultyProxy(port))];
            set._bucket = await BucketSet.StartAsync(new BucketPlan
            {
                Yaml = i => set.ConfigurationOf(i, addresses), Shared = store, HasAccount = true, Ready = "/token", HasProxies = true,
                IsChecked = true, Assembly = static i => OlderOf(i),
            });
            await set.SharedAsync();
            return set;
        }
        catch
        {
            await set.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until Redis answers every gateway, and each knows all of them.</summary>
    public Task SharedAsync() => Eventually.TrueAsync(IsSharedAsync, () => $"all gateways share Redis\n{Bucket.Log}");

    /// <summary>Whether Redis answers every gateway, and each knows all of them.</summary>
    public async Task<bool> IsSharedAsync()
    {
        try
        {
            foreach (var gateway in Gateways)
            {
                var text = await _http.GetStringAsync(new Uri(gateway.Operator, "/metrics"));
                if (!text.Contains("\ngateway_replica_redis_up 1\n", StringComparison.Ordinal)) return false;
                if (!text.Contains($"\ngateway_replica_members {BucketSet.Count}\n", StringComparison.Ordinal)) return false;
            }
            return true;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Kills Redis, and starts it empty with another password, which is written to the file of the gateways.</summary>
    public async Task RotateRedisPasswordAsync()
    {
        var password = Canary.Secret($"redis-{Interlocked.Increment(ref _passwords)}");
        await Redis.KillAsync();
        await Redis.StartAgainAsync(password);
        _folder.Write("password", password);
    }

    // Such as "1:/tmp/older/gateway.dll": one gateway runs that version beside two of this one.
    private static string? OlderOf(int gateway) =>
        Environment.GetEnvironmentVariable(Older)?.Split(':') is [var count, var assembly]
        && gateway < int.Parse(count, CultureInfo.InvariantCulture)
            ? assembly
            : null;

    /// <summary>
    /// A client with the account. Each request has a connection of its own: on one that was used before and closes without an answer,
    /// as when a gateway is killed, .NET sends the request again, and a DELETE that was carried out would get 404.
    /// </summary>
    public static RawClient Pusher(string host) => new(host, RawClient.Basic("ci", Password), keepAlive: TimeSpan.Zero);

    private string ConfigurationOf(int i, string? addresses) => $$"""
        upstreams: { corp: { url: "{{Upstream.Url.ToString().TrimEnd('/')}}", referrers: on-demand } }
        cache: { keepFree: 1MiB, maxSize: 1GiB }
        replicas:
          redis: { address: {{addresses ?? $"\"127.0.0.1:{RedisProxy.Port}\", passwordFile: \"{_folder["password"]}\""}} }
          timeout: 1s
          listen: http://127.0.0.1:{{_ports[i]}}
          advertise: http://127.0.0.1:{{Peers[i].Port}}
          secretFile: "{{_folder["secret"]}}"
        access:
          htpasswd: "{{_folder["htpasswd"]}}"
          rules:
            - { actors: [anonymous], repositories: ["**"], actions: [pull] }
            - { actors: [ci], repositories: ["**"], actions: [pull, push, delete] }
        policy:
          default: allow
          trust:
            keys: { release: { pem: "{{_folder["key.pub"]}}" } }
            authorities: { release: { anyOf: [{ key: release }] } }
          rules:
            - id: held
              match: { repos: ["held/**", "released/**"] }
              require: { signatures: [{ authority: release }] }
              onMissing: quarantine
        """;

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_bucket is not null) await _bucket.DisposeAsync();
        foreach (var proxy in Peers) await proxy.DisposeAsync();
        if (RedisProxy is not null) await RedisProxy.DisposeAsync();
        if (Redis is not null) await Redis.DisposeAsync();
        if (Upstream is not null) await Upstream.DisposeAsync();
        Key.Dispose();
        _folder.Dispose();
    }
}
