using Gateway.Testing;

namespace Gateway.BlackBox.Rig;

/// <summary>
/// Three gateways, each with its own disk, on one bucket; and a reverse proxy in front of them that gives each the next request.
/// </summary>
internal sealed class BucketSet : IRegistry
{
    public const int Count = 3;

    private readonly TempFolder _folder = new();
    private readonly bool _isOwner;
    private Front? _front;

    private BucketSet(S3Server store, bool isOwner, S3Account account, string bucket) =>
        (Store, _isOwner, Account, Bucket) = (store, isOwner, account, bucket);

    public S3Server Store { get; }

    /// <summary>With the keys that the gateways use now.</summary>
    public S3Account Account { get; private set; }

    public string Bucket { get; }

    public GatewayProcess[] Gateways { get; private set; } = [];

    /// <summary>Between each gateway and the store, if the test asked for them.</summary>
    public StoreProxy[] Proxies { get; private set; } = [];

    /// <summary>The address of the reverse proxy.</summary>
    public string Host => _front!.Host;

    public string Log => string.Join("\n", Gateways.Select((each, i) => $"--- gateway {i}\n{LogOf(each)}"));

    // Without the access log, which has a line of JSON for each request.
    private static string LogOf(GatewayProcess gateway) =>
        string.Join('\n', gateway.Output.Where(line => !line.StartsWith('{')).TakeLast(40));

    /// <param name="yaml">Lines of the configuration of each gateway.</param>
    /// <param name="store">Starts the store; null for moto.</param>
    /// <param name="ready">See <see cref="Front.StartAsync"/>.</param>
    /// <param name="hasProxies">Whether each gateway reaches the store through a proxy of its own.</param>
    /// <param name="shared">See <see cref="BucketPlan.Shared"/>.</param>
    public static Task<BucketSet> StartAsync(
        string yaml = "", Func<Task<S3Server?>>? store = null, string? ready = null, bool hasProxies = false, S3Server? shared = null) =>
        StartAsync(new BucketPlan
        {
            Yaml = _ => yaml, Store = store, Ready = ready, HasProxies = hasProxies,
            Shared = shared is null ? null : () => Task.FromResult<S3Server?>(shared),
        });

    public static async Task<BucketSet> StartAsync(BucketPlan plan)
    {
        var server = await (plan.Shared ?? plan.Store ?? S3Server.StartMotoAsync)();
        Assert.SkipWhen(server is null, "the rig lacks the S3 server");
        var account = plan.HasAccount ? await server.NewAccountAsync() : S3Account.Common;
        var set = new BucketSet(server, plan.Shared is null, account, await server.NewBucketAsync(account));
        try
        {
            set.WriteKeys();
            if (plan.HasProxies)
                set.Proxies = await Task.WhenAll(Enumerable.Range(0, Count).Select(_ => StoreProxy.StartAsync(server.Endpoint.Port)));
            foreach (var proxy in set.Proxies) proxy.Fault = plan.Fault;
            set.Gateways = await AllAsync([.. Enumerable.Range(0, plan.Gateways).Select(i => GatewayProcess.StartAsync(
                plan.Yaml(i), environment: plan.Environment(i), assembly: plan.Assembly(i),
                bucket: set.OptionsOf(plan.HasProxies ? set.Proxies[i].Port : server.Endpoint.Port, plan)))]);
            set._front = await Front.StartAsync(
                "haproxy", string.Join(' ', set.Gateways.Select(g => g.Host)), ready: plan.Ready,
                operators: plan.IsChecked ? [.. set.Gateways.Select(g => g.Operator.Port)] : null, repeats: plan.Repeats);
            return set;
        }
        catch
        {
            await set.DisposeAsync();
            throw;
        }
    }

    // If one cannot start, none of the others stays.
    private static async Task<GatewayProcess[]> AllAsync(Task<GatewayProcess>[] starts)
    {
        try
        {
            return await Task.WhenAll(starts);
        }
        catch
        {
            foreach (var start in starts.Where(static each => each.IsCompletedSuccessfully)) await (await start).DisposeAsync();
            throw;
        }
    }

    private void WriteKeys()
    {
        _folder.Write("access", Account.AccessKey);
        _folder.Write("secret", Account.SecretKey);
    }

    private string OptionsOf(int port, BucketPlan plan)
    {
        var keys = $"accessKeyFile: \"{_folder["access"]}\", secretKeyFile: \"{_folder["secret"]}\"";
        var more = (plan.StaleFor is null ? "" : $", staleFor: {plan.StaleFor}") + (plan.Collects ? ", collect: true" : "");
        return $$"""{ bucket: {{Bucket}}, endpoint: "http://127.0.0.1:{{port}}", {{keys}}{{more}} }""";
    }

    /// <summary>
    /// Gives the account other keys, writes them to the files of the gateways, and removes the former keys. The account must be the set's
    /// own.
    /// </summary>
    public async Task RotateKeysAsync()
    {
        var former = Account;
        Account = await Store.NewKeysAsync(former);
        WriteKeys();
        await Store.RemoveKeysAsync(former);
    }

    /// <summary>Debian's docker-registry on the same bucket.</summary>
    public Task<DockerRegistry> DistributionAsync() =>
        DockerRegistry.StartAsync(Store.Endpoint, Bucket, Account.AccessKey, Account.SecretKey);

    public async ValueTask DisposeAsync()
    {
        if (_front is not null) await _front.DisposeAsync();
        foreach (var gateway in Gateways) await gateway.DisposeAsync();
        foreach (var proxy in Proxies) await proxy.DisposeAsync();
        if (_isOwner) await Store.DisposeAsync();
        _folder.Dispose();
    }
}
