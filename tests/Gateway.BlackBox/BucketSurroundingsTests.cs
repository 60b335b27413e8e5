using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Faults;
using Gateway.BlackBox.Rig;
using Gateway.Testing;
using Scripted;

namespace Gateway.BlackBox;

/// <summary>
/// Gateways on a bucket in surroundings that change: they are restarted, their clocks are wrong, the store is away when they start, and
/// Redis loses what it knew.
/// </summary>
public sealed class BucketSurroundingsTests(S3Servers servers)
{
    /// <summary>Set to 1 to let gateways with wrong clocks also collect.</summary>
    private const string Collection = "GATEWAY_CLOCK_COLLECTION";

    /// <summary>A gateway that ends closes connections without a request, which the reverse proxy may use for one at that moment.</summary>
    [Fact]
    public async Task Rolling_restart_under_load_fails_no_push_and_no_pull()
    {
        await using var set = await BucketSet.StartAsync(new BucketPlan { Shared = servers.CephAsync, Repeats = true });
        using var stop = new CancellationTokenSource();
        var clients = Enumerable.Range(0, 3).Select(n => ImageLoad.RunAsync(set, n, stop.Token)).ToArray();
        foreach (var gateway in set.Gateways)
        {
            Assert.Equal(0, await gateway.Server.StopAsync());
            await gateway.StartAgainAsync();
            // The reverse proxy sends requests to it again.
            await Eventually.TrueAsync(
                () => Task.FromResult(
                    Array.Exists(clients, static each => each.IsFaulted)
                    || gateway.Server.Output.Any(static line => line.Contains("\"repository\":\"team/", StringComparison.Ordinal))),
                () => set.Log);
        }
        await stop.CancelAsync();
        var images = await Task.WhenAll(clients);
        TestContext.Current.TestOutputHelper!.WriteLine($"{images.Sum()} images pushed and pulled");
    }

    /// <summary>
    /// One clock is ahead, one behind, one right. The stores refuse signatures that are 15 minutes off. A whole collection takes half a
    /// minute; see <see cref="Collection"/>.
    /// </summary>
    [Fact]
    public async Task Clocks_that_are_ten_minutes_ahead_and_behind_fail_no_push_no_pull_and_no_token()
    {
        using var folder = new TempFolder();
        folder.Write("tokens", Canary.Secret("of-all-three-gateways"));
        var account = await AccountAsync(folder);
        string?[] clocks = ["+10m", "-10m", null];
        await using var set = await BucketSet.StartAsync(new BucketPlan
        {
            Yaml = _ => $$"""
                access:
                  htpasswd: "{{folder["htpasswd"]}}"
                  tokenKeyFile: "{{folder["tokens"]}}"
                  rules: [{ actors: [ci], repositories: ["**"], actions: [pull, push, delete] }]
                gc: { every: off, grace: 1s }
                """,
            Shared = servers.CephAsync, Ready = "/token", Collects = true,
            Environment = i => clocks[i] is { } clock ? WrongClock.By(clock) : null,
        });
        for (var i = 0; i < BucketSet.Count; i++)
        {
            using var pusher = new RawClient(set.Gateways[i].Host, account);
            var manifest = await pusher.ImageAsync("team/app", "moving", OciLayout.Noise(i, 20_000));
            using var issued = await pusher.GetAsync("/token");
            var token = (string)JsonNode.Parse(await issued.Content.ReadAsStringAsync())!["token"]!;
            foreach (var gateway in set.Gateways)
            {
                // The store's clock is known after the first requests.
                using var raw = new RawClient(gateway.Host, new("Bearer", token));
                using var seen = await raw.GetAsync("/v2/team/app/manifests/moving", ("Accept", OciLayout.ImageManifest));
                await RawClient.ExpectAsync(seen, HttpStatusCode.OK);
                Assert.Equal(manifest, await seen.Content.ReadAsByteArrayAsync());
            }
            using var next = new RawClient(set.Gateways[(i + 1) % BucketSet.Count].Host, new("Bearer", token));
            using var deleted = await next.DeleteAsync("/v2/team/app/manifests/moving");
            await RawClient.ExpectAsync(deleted, HttpStatusCode.Accepted);
            if (clocks[i] is not null) await set.Gateways[i].Server.SaysAsync("[2065]");
            else Assert.DoesNotContain(set.Gateways[i].Server.Output, static line => line.Contains("[2065]", StringComparison.Ordinal));
        }

        Assert.Contains("the clock of this gateway is ahead of the store's", await CollectAsync(set.Gateways[0]), StringComparison.Ordinal);
        if (Environment.GetEnvironmentVariable(Collection) is not null) await CollectsAsync(set, account);
    }

    private static async Task<AuthenticationHeaderValue> AccountAsync(TempFolder folder)
    {
        var password = Canary.Secret("ci");
        using var client = new Client();
        folder.Write("htpasswd", (await client.RunAsync("htpasswd", "-nbB", "ci", password)).Succeeded().Stdout.Trim() + "\n");
        return RawClient.Basic("ci", password);
    }

    /// <summary>
    /// Asserts that a gateway removes what nothing needs, and nothing else, beside one whose clock is behind. That one keeps content ten
    /// minutes longer, because the store dates it.
    /// </summary>
    private static async Task CollectsAsync(BucketSet set, AuthenticationHeaderValue account)
    {
        using var raw = new RawClient(set.Gateways[0].Host, account);
        var kept = Key(await raw.ImageAsync("team/kept", "v1", OciLayout.Noise(100, 20_000)));
        var manifest = await raw.ImageAsync("team/gone", "v1", OciLayout.Noise(200, 20_000));
        var gone = Key(manifest);
        using var deleted = await raw.DeleteAsync($"/v2/team/gone/manifests/{Described.Sha256(manifest)}");
        await RawClient.ExpectAsync(deleted, HttpStatusCode.Accepted);
        Assert.True(await IsThereAsync(kept) && await IsThereAsync(gone));
        Assert.Empty(await CollectAsync(set.Gateways[1]));
        await Patience.UntilAsync(
            async () =>
            {
                await CollectAsync(set.Gateways[2]);
                return !await IsThereAsync(gone);
            },
            () => $"{gone} is removed\n{set.Log}");
        Assert.True(await IsThereAsync(kept));

        static string Key(byte[] bytes) =>
            Described.Sha256(bytes) is var digest ? $"docker/registry/v2/blobs/sha256/{digest[7..9]}/{digest[7..]}/data" : "";

        async Task<bool> IsThereAsync(string key) =>
            (await set.Store.SendAsync(HttpMethod.Get, set.Bucket)).Contains(key, StringComparison.Ordinal);
    }

    /// <summary>Runs a collection to its end. Returns its notes.</summary>
    private static async Task<string> CollectAsync(GatewayProcess gateway)
    {
        using var http = new HttpClient { BaseAddress = gateway.Operator };
        using var body = new StringContent("{}", Encoding.UTF8, "application/json");
        using var started = await http.PostAsync("/api/v1/gc", body);
        var job = JsonNode.Parse(await started.Content.ReadAsStringAsync())!;
        await Patience.UntilAsync(
            async () => (string)(job = JsonNode.Parse(await http.GetStringAsync($"/api/v1/jobs/{job["id"]}"))!)["state"]! != "running",
            () => $"{job}");
        Assert.True((string?)job["state"] == "done", $"{job}");
        return string.Join('\n', job["result"]!["notes"]!.AsArray().Select(static note => (string)note!));
    }

    /// <summary>A copy of the metadata on the disk is of unknown age, so the gateway that has one does not serve from it either.</summary>
    [Fact]
    public async Task Gateway_that_starts_without_the_store_answers_503_for_pushed_content_and_serves_when_the_store_answers()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        var image = upstream.AddImage("team/upstream", "v1", ScriptedUpstream.Bytes(1000, 1));
        await using var set = await BucketSet.StartAsync(new BucketPlan
        {
            Yaml = _ => $$"""upstreams: { corp: { url: "{{upstream.Url.ToString().TrimEnd('/')}}" } }""",
            Shared = servers.CephAsync, HasProxies = true, Gateways = 2,
        });
        using var raw = new RawClient(set.Host);
        var manifest = await raw.ImageAsync("team/app", "v1", ImageLoad.Layer);
        foreach (var gateway in set.Gateways) await ImageLoad.PullAsync(gateway, manifest);
        foreach (var gateway in set.Gateways) Assert.Equal(0, await gateway.Server.StopAsync());
        // The other one has its copy still.
        Directory.Delete(set.Gateways[1].Storage, recursive: true);
        foreach (var proxy in set.Proxies) proxy.Fault = StoreFault.Refuse;

        await Task.WhenAll(set.Gateways.Select(static each => each.StartAgainAsync()));

        foreach (var gateway in set.Gateways)
        {
            using var client = new RawClient(gateway.Host);
            using var tag = await client.GetAsync("/v2/team/app/manifests/v1", ("Accept", OciLayout.ImageManifest));
            await ExpectReasonAsync(tag);
            using var blob = await client.GetAsync($"/v2/team/app/blobs/{Described.Sha256(ImageLoad.Layer)}");
            await ExpectReasonAsync(blob);
            using var tags = await client.GetAsync("/v2/team/app/tags/list");
            await ExpectReasonAsync(tags);
            using var pushed = await client.PushManifestAsync("team/app", "v2", manifest);
            await ExpectReasonAsync(pushed);
            using var upload = await client.SendAsync(HttpMethod.Post, "/v2/team/app/blobs/uploads/", RawClient.Body([]));
            await ExpectReasonAsync(upload);
            using var cached = await client.GetAsync("/v2/corp/team/upstream/manifests/v1", ("Accept", OciLayout.ImageManifest));
            await RawClient.ExpectAsync(cached, HttpStatusCode.OK);
            using var layer = await client.GetAsync($"/v2/corp/team/upstream/blobs/{image.Layers.Single()}");
            await RawClient.ExpectAsync(layer, HttpStatusCode.OK);
            await gateway.Server.SaysAsync("[2064]");
        }

        foreach (var proxy in set.Proxies) proxy.Fault = StoreFault.None;
        foreach (var gateway in set.Gateways)
        {
            using var client = new RawClient(gateway.Host);
            await Eventually.TrueAsync(
                async () =>
                {
                    using var pushed = await client.PushManifestAsync("team/app", "v2", manifest);
                    return pushed.StatusCode == HttpStatusCode.Created;
                },
                () => set.Log);
            await ImageLoad.PullAsync(gateway, manifest);
        }
    }

    private static async Task ExpectReasonAsync(HttpResponseMessage answer)
    {
        await RawClient.ExpectErrorAsync(answer, 503);
        Assert.Matches(
            "the bucket of this registry (does not answer|did not answer in time)", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Redis_that_is_flushed_and_fails_over_without_the_last_writes_fails_no_push_and_no_pull()
    {
        await using var redis = await RedisFailover.StartAsync();
        await using var set = await FaultySet.StartAsync(
            servers.CephAsync, $"[\"{redis.Primary.Address}\", \"{redis.Replica.Address}\"]");
        var disturbances = new Disturbances();
        var load = new MixedLoad(set, disturbances, seed: 1);
        using var stop = new CancellationTokenSource();
        var running = load.RunAsync(stop.Token);
        await ProgressAsync(load, running);
        await disturbances.DuringAsync(redis.Primary.FlushAsync);
        await ProgressAsync(load, running);
        redis.LoseWrites();
        await ProgressAsync(load, running);
        await disturbances.DuringAsync(redis.FailOverAsync);
        await ProgressAsync(load, running);
        await set.SharedAsync();
        await stop.CancelAsync();
        await running;

        TestContext.Current.TestOutputHelper!.WriteLine($"{load}");
        // A stalled machine keeps the store from answering in time, which is answered 503; a lost Redis would cause far more of them.
        Assert.True(
            load.Unanswered <= load.Acknowledged / 20, $"expected an answer to nearly every request, got {load}\n{set.Bucket.Log}");
        await Verification.AllAsync(set, load.Facts);
    }

    private static async Task ProgressAsync(MixedLoad load, Task running)
    {
        var goal = load.Acknowledged + 10;
        await Patience.UntilAsync(() => Task.FromResult(running.IsCompleted || load.Acknowledged >= goal), () => $"writes go on: {load}");
        if (running.IsFaulted) await running;
    }
}
