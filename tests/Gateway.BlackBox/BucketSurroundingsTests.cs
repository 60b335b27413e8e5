using System.Net;
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
    [Fact]
    public async Task Rolling_restart_under_load_fails_no_push_and_no_pull()
    {
        await using var set = await BucketSet.StartAsync(new BucketPlan { Shared = servers.CephAsync, IsChecked = true });
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
            Assert.Contains(gateway.Server.Output, static line => line.Contains("[2064]", StringComparison.Ordinal));
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
        Assert.Contains("the bucket of this registry does not answer", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
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
        Assert.True(load.Unanswered == 0, $"expected an answer to every request, got {load}\n{set.Bucket.Log}");
        await Verification.AllAsync(set, load.Facts);
    }

    private static async Task ProgressAsync(MixedLoad load, Task running)
    {
        var goal = load.Acknowledged + 10;
        await Patience.UntilAsync(() => Task.FromResult(running.IsCompleted || load.Acknowledged >= goal), () => $"writes go on: {load}");
        if (running.IsFaulted) await running;
    }
}
