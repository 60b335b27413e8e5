using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Scripted;

namespace Gateway.BlackBox.Rig;

/// <summary>
/// Three gateways as replicas: each with its own disk, one Redis, one upstream that counts its bytes, and a proxy in front of Redis and of
/// each replica's listener for the others.
/// </summary>
internal sealed partial class ReplicaSet : IAsyncDisposable
{
    public const int Count = 3;

    /// <summary>The repository of <see cref="AddBlob"/>.</summary>
    public const string Repository = "team/app";

    private readonly TempFolder _folder = new();
    private readonly int[] _ports = [.. Enumerable.Range(0, Count).Select(_ => FreePorts.Next())];
    private readonly HttpClient _http = new(new SocketsHttpHandler { MaxConnectionsPerServer = 200, ConnectTimeout = Patience.Of(5) })
    {
        Timeout = Patience.Of(120),
    };

    private int _seed;

    public ScriptedUpstream Upstream { get; private set; } = null!;

    public RedisServer Redis { get; private set; } = null!;

    public FaultyProxy RedisProxy { get; private set; } = null!;

    /// <summary>In front of each replica's listener for the others.</summary>
    public FaultyProxy[] Proxies { get; private set; } = [];

    public GatewayProcess[] Gateways { get; private set; } = [];

    /// <summary>The logs of all replicas, for the message of a failure.</summary>
    public string Logs => string.Join("\n", Gateways.Select((each, i) => $"--- replica {i}\n{LogOf(each)}"));

    /// <summary>How often a replica noted that Redis or another replica was silent.</summary>
    public async Task<double> SilencesAsync() =>
        Gateways.Sum(each => each.Server.Output.Count(line => line.Contains("[10002]", StringComparison.Ordinal)))
        + (await Task.WhenAll(Gateways.Select(each => MetricAsync(each, "gateway_replica_peer_failures_total")))).Sum();

    /// <summary>What a replica says about the operator's request, in JSON.</summary>
    public async Task<string> PostAsync(int replica, string path, string json)
    {
        using var content = new StringContent(json, System.Text.Encoding.UTF8, "application/json");
        using var answer = await _http.PostAsync(new Uri(Gateways[replica].Operator, path), content);
        return await answer.Content.ReadAsStringAsync();
    }

    /// <summary>
    /// Purges content at all replicas, by replica 0, until each has confirmed it: one that the machine kept from answering is told again.
    /// </summary>
    public async Task PurgeAsync(string digest)
    {
        var told = "";
        await Eventually.TrueAsync(
            async () => (told = await PostAsync(0, "/api/v1/purge", $$"""{"what":"{{digest}}"}"""))
                .Contains("\"unconfirmed\":[]", StringComparison.Ordinal),
            () => $"{told}\n{Logs}");
    }

    /// <summary>The status of a replica's answer to a GET.</summary>
    public async Task<int> StatusAsync(int replica, string target)
    {
        using var answer = await _http.GetAsync($"http://{Gateways[replica].Host}{target}");
        return (int)answer.StatusCode;
    }

    /// <summary>The page of replicas, as one replica shows it.</summary>
    public async Task<JsonNode> PageAsync(int replica) =>
        JsonNode.Parse(await _http.GetStringAsync(new Uri(Gateways[replica].Operator, "/api/v1/pages/replicas")))!;

    /// <summary>The digest of a tag's manifest at one replica.</summary>
    public async Task<string> ResolveAsync(int replica, string tag)
    {
        var address = $"http://{Gateways[replica].Host}/v2/corp/{Repository}/manifests/{tag}";
        using var request = new HttpRequestMessage(HttpMethod.Head, address);
        using var answer = await _http.SendAsync(request);
        Assert.True(answer.IsSuccessStatusCode, $"{(int)answer.StatusCode} of replica {replica}\n{Gateways[replica].Log}");
        return answer.Headers.GetValues("Docker-Content-Digest").Single();
    }

    // Without the access log, which has a line of JSON for each request.
    private static string LogOf(GatewayProcess gateway) => string.Join(
        '\n', gateway.Server.Output.Where(line => !line.StartsWith('{') && line.Contains("[100", StringComparison.Ordinal)).TakeLast(40));

    public static Task<ReplicaSet> StartAsync(string timeout = "5s") => StartAsync(new ReplicaPlan { Timeout = timeout });

    public static async Task<ReplicaSet> StartAsync(ReplicaPlan plan)
    {
        var set = new ReplicaSet();
        try
        {
            set.Upstream = await ScriptedUpstream.StartAsync();
            set.Redis = await RedisServer.StartAsync(plan.Password, plan.Program);
            set.RedisProxy = new(set.Redis.Port);
            set.Proxies = [.. set._ports.Select(port => new FaultyProxy(port))];
            if (plan.Password is not null) set.WritePassword(plan.Password);
            for (var i = 0; i < Count; i++)
                set.WriteSecret(i, i == plan.WrongSecret ? "another-secret-of-one-replica" : "a-secret-of-all-three-replicas");
            set.Gateways = await Task.WhenAll(Enumerable.Range(0, Count).Select(i => GatewayProcess.StartAsync(
                set.ConfigurationOf(i, plan), environment: plan.Environment?.Invoke(i), assembly: plan.Assembly?.Invoke(i))));
            await Eventually.TrueAsync(
                async () => (await Task.WhenAll(set.Gateways.Select(g => set.MetricAsync(g, "gateway_replica_members"))))
                    .Select((members, i) => members == plan.Members(i)).All(each => each),
                () => $"all replicas are members\n{set.Logs}");
            return set;
        }
        catch
        {
            await set.DisposeAsync();
            throw;
        }
    }

    public void WritePassword(string password) => _folder.Write("password", password);

    public void WriteSecret(int replica, string secret) => _folder.Write($"secret-{replica}", secret);

    private string ConfigurationOf(int i, ReplicaPlan plan)
    {
        var scheme = plan.Certificates is null ? "http" : "https";
        var password = plan.Password is null ? "" : $", passwordFile: \"{_folder["password"]}\"";
        var peers = string.Join(", ", Proxies.Select(each => $"\"{scheme}://127.0.0.1:{each.Port}\""));
        var others = plan.IsPeersAlone
            ? $"peers: [{peers}]"
            : $"redis: {{ address: {plan.Addresses ?? $"\"127.0.0.1:{RedisProxy.Port}\""}{password} }}";
        var tls = plan.Certificates?.Invoke(i) is { } own
            ? $"tls: {{ certificate: \"{own.CertificateFile}\", key: \"{own.KeyFile}\", "
                + $"clientAuthorities: \"{own.AuthorityFile}\", clientCertificates: require }}"
            : "";
        return $$"""
            upstreams: { corp: { url: "{{(plan.Url ?? Upstream.Url).ToString().TrimEnd('/')}}", {{plan.Upstream}} } }
            cache: { keepFree: 1MiB, maxSize: 1GiB }
            replicas:
              {{others}}
              timeout: {{plan.Timeout}}
              listen: {{scheme}}://127.0.0.1:{{_ports[i]}}
              advertise: {{scheme}}://127.0.0.1:{{Proxies[i].Port}}
              secretFile: "{{_folder[$"secret-{i}"]}}"
              {{tls}}

            {{plan.More?.Invoke(i)}}
            """;
    }

    /// <summary>Adds a blob of random bytes to the upstream; returns its digest.</summary>
    public string AddBlob(int length) => Upstream.AddBlob(Repository, ScriptedUpstream.Bytes(length, Interlocked.Increment(ref _seed)));

    /// <summary>Removes a blob from the upstream.</summary>
    public void RemoveBlob(string digest) => Upstream.RemoveBlob(Repository, digest);

    /// <summary>Pulls a blob by one replica and checks its digest. Returns the answer's Cache-Status.</summary>
    public async Task<string> PullAsync(int replica, string digest)
    {
        using var answer = await _http.GetAsync(
            $"http://{Gateways[replica].Host}/v2/corp/{Repository}/blobs/{digest}", HttpCompletionOption.ResponseHeadersRead);
        Assert.True(answer.IsSuccessStatusCode, $"{(int)answer.StatusCode} of replica {replica}\n{Gateways[replica].Log}");
        await using var body = await answer.Content.ReadAsStreamAsync();
        Assert.Equal(digest, $"sha256:{Convert.ToHexStringLower(await SHA256.HashDataAsync(body))}");
        return string.Join(", ", answer.Headers.TryGetValues("Cache-Status", out var values) ? values : []);
    }

    /// <summary>
    /// Pulls a new blob by one replica and then by others, each of which must read it from a replica. Where one was silent, because the
    /// machine is busy, the upstream is rightly asked; then another blob is pulled. Returns the blob's digest.
    /// </summary>
    public async Task<string> PullFromPeersAsync(int length, int first, params int[] others)
    {
        for (var tries = 1; ; tries++)
        {
            var (digest, silent) = (AddBlob(length), await SilencesAsync());
            await PullAsync(first, digest);
            var handling = new List<string>();
            foreach (var other in others) handling.Add(await PullAsync(other, digest));
            if (handling.TrueForAll(each => each.Contains("detail=peer", StringComparison.Ordinal))) return digest;
            Assert.True(tries < 4 && await SilencesAsync() > silent, $"expected detail=peer, got {string.Join("; ", handling)}\n{Logs}");
        }
    }

    /// <summary>Pulls by one replica, or by the next ones if it does not accept the connection, as a load balancer does.</summary>
    public async Task PullByAnyAsync(int first, string digest)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                await PullAsync((first + tries) % Count, digest);
                return;
            }
            catch (HttpRequestException e) when (tries < Count && IsClosed(e))
            {
                // It restarts.
            }
        }
    }

    /// <summary>
    /// Whether a connection was not accepted. One that waits to be accepted when the listener closes is reset before it is read.
    /// </summary>
    private static bool IsClosed(HttpRequestException e) => e.HttpRequestError == HttpRequestError.ConnectionError
        || e.InnerException is IOException { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionReset } };

    /// <summary>The sum of a metric's samples whose labels contain a text.</summary>
    public async Task<double> MetricAsync(GatewayProcess gateway, string name, string label = "")
    {
        using var answer = await RawClient.SettledAsync(() => _http.GetAsync(new Uri(gateway.Operator, "/metrics")));
        var text = await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync();
        return text.Split('\n')
            .Where(line => line.StartsWith(name, StringComparison.Ordinal) && line[name.Length] is ' ' or '{' && line.Contains(label))
            .Sum(line => double.Parse(line.Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>The replica whose fetch of a blob leads, once one does.</summary>
    public async Task<int> LeaderAsync()
    {
        var leader = -1;
        await Eventually.TrueAsync(
            async () =>
            {
                var led = await Task.WhenAll(Gateways.Select(g => MetricAsync(g, "gateway_replica_fetches", "\"lead\"")));
                return (leader = Array.FindIndex(led, n => n > 0)) >= 0;
            },
            () => $"a replica leads\n{Logs}");
        return leader;
    }

    /// <summary>Waits for the end of all; a failure shows the logs.</summary>
    public async Task AllAsync(IEnumerable<Task> pulls)
    {
        try
        {
            await Task.WhenAll(pulls).InTimeAsync("all pulls have ended", 40);
        }
        catch (TimeoutException e)
        {
            Assert.Fail($"{e.Message}\n{Logs}");
        }
    }

    /// <summary>Waits until this number of replicas follow another one, and have bytes from it.</summary>
    public Task FollowingAsync(int count) => Eventually.TrueAsync(
        async () => (await Task.WhenAll(Gateways.Select(async g =>
            await MetricAsync(g, "gateway_replica_fetches", "\"follow\"") > 0
            && await MetricAsync(g, "gateway_replica_peer_bytes_total", "\"received\"") > 0))).Count(follows => follows) >= count,
        () => $"{count} replicas follow\n{Logs}");

    /// <summary>Waits until Redis answers every replica.</summary>
    public Task RedisIsUpAsync() => Eventually.TrueAsync(
        async () => Array.TrueForAll(
            await Task.WhenAll(Gateways.Select(g => MetricAsync(g, "gateway_replica_redis_up"))), up => up == 1),
        () => $"Redis answers every replica\n{Logs}");

    public async Task<bool> IsReadyAsync(int replica)
    {
        try
        {
            using var answer = await _http.GetAsync(new Uri(Gateways[replica].Operator, "/readyz"));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            // It accepts no connections any more.
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        foreach (var gateway in Gateways) await gateway.DisposeAsync();
        foreach (var proxy in Proxies) await proxy.DisposeAsync();
        if (RedisProxy is not null) await RedisProxy.DisposeAsync();
        if (Redis is not null) await Redis.DisposeAsync();
        if (Upstream is not null) await Upstream.DisposeAsync();
        _folder.Dispose();
    }
}
