using Gateway.Testing;

namespace Gateway.BlackBox.Rig;

/// <summary>
/// Three gateways, each with its own disk, on one bucket; and a reverse proxy in front of them that gives each the next request.
/// </summary>
internal sealed class BucketSet : IRegistry
{
    public const int Count = 3;

    private readonly TempFolder _folder = new();
    private Front? _front;

    private BucketSet(S3Server store, string bucket) => (Store, Bucket) = (store, bucket);

    public S3Server Store { get; }

    public string Bucket { get; }

    public GatewayProcess[] Gateways { get; private set; } = [];

    /// <summary>Between each gateway and the store, if the test asked for them.</summary>
    public FaultyProxy[] Proxies { get; private set; } = [];

    /// <summary>The address of the reverse proxy.</summary>
    public string Host => _front!.Host;

    public string Log => string.Join("\n", Gateways.Select((each, i) => $"--- gateway {i}\n{LogOf(each)}"));

    // Without the access log, which has a line of JSON for each request.
    private static string LogOf(GatewayProcess gateway) =>
        string.Join('\n', gateway.Server.Output.Where(line => !line.StartsWith('{')).TakeLast(40));

    /// <param name="yaml">Lines of the configuration of each gateway.</param>
    /// <param name="store">Starts the store; null for moto.</param>
    /// <param name="ready">See <see cref="Front.StartAsync"/>.</param>
    /// <param name="hasProxies">
    /// Whether each gateway reaches the store through a proxy of its own. Not with moto, which ends connections that the proxy then resets.
    /// </param>
    public static async Task<BucketSet> StartAsync(
        string yaml = "", Func<Task<S3Server?>>? store = null, string? ready = null, bool hasProxies = false)
    {
        var server = await (store ?? S3Server.StartMotoAsync)();
        Assert.SkipWhen(server is null, "the rig lacks the S3 server");
        var set = new BucketSet(server, await server.NewBucketAsync());
        try
        {
            set._folder.Write("access", S3Server.AccessKey);
            set._folder.Write("secret", S3Server.SecretKey);
            if (hasProxies) set.Proxies = [.. Enumerable.Range(0, Count).Select(_ => new FaultyProxy(server.Endpoint.Port))];
            set.Gateways = await Task.WhenAll(Enumerable.Range(0, Count).Select(
                i => GatewayProcess.StartAsync(yaml, bucket: set.OptionsOf(hasProxies ? set.Proxies[i].Port : server.Endpoint.Port))));
            set._front = await Front.StartAsync("haproxy", string.Join(' ', set.Gateways.Select(g => g.Host)), ready: ready);
            return set;
        }
        catch
        {
            await set.DisposeAsync();
            throw;
        }
    }

    private string OptionsOf(int port) => $$"""
        { bucket: {{Bucket}}, endpoint: "http://127.0.0.1:{{port}}", accessKeyFile: "{{_folder["access"]}}", secretKeyFile: "{{_folder["secret"]}}" }
        """.Trim();

    /// <summary>Debian's docker-registry on the same bucket.</summary>
    public Task<DockerRegistry> DistributionAsync() =>
        DockerRegistry.StartAsync(Store.Endpoint, Bucket, S3Server.AccessKey, S3Server.SecretKey);

    public async ValueTask DisposeAsync()
    {
        if (_front is not null) await _front.DisposeAsync();
        foreach (var gateway in Gateways) await gateway.DisposeAsync();
        foreach (var proxy in Proxies) await proxy.DisposeAsync();
        await Store.DisposeAsync();
        _folder.Dispose();
    }
}

/// <summary>The gateways of a bucket, as one registry for all tests of a class.</summary>
public sealed class BucketFixture : RegistryFixture
{
    internal BucketSet Set => (BucketSet)Registry;

    private protected override async Task<IRegistry> StartAsync() => await BucketSet.StartAsync();
}
