using Gateway.Oci;
using Gateway.PullThrough;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Limits of fetches: readers that leave, the number of fetches, and the time that an upstream may be silent.</summary>
public sealed class LimitTests
{
    private const int MiB = 1 << 20;
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(6 * MiB, seed: 51);

    [Fact]
    public async Task Fetch_without_readers_continues_to_its_end()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet && r.Range is null).Cut(after: 2 * MiB).Once();
        rig.Hub.When(r => r.IsGet).WaitFor(gate.Task);
        await LeaveAfterAsync(rig, digest, MiB);
        gate.SetResult();
        await rig.SettleAsync();
        Assert.True(rig.IsStored(digest));
    }

    [Fact]
    public async Task Fetch_above_the_limit_stops_without_readers_and_is_resumed_by_the_next()
    {
        await using var rig = await Rig.StartAsync();
        await using var table =
            new FetchTable(rig.Volume.Fetches, rig.Volume.Content, rig.Clock, rig.Fetches.Resources.Logger) { LargestAbandoned = 5 * MiB };
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.Range is null).Hang(after: 2 * MiB);
        var backing = rig.Pull(Rig.Name, fetches: table);
        var staying = await Rig.OpenAsync(backing, digest);
        await LeaveAfterAsync(rig, digest, MiB, backing);
        Assert.Equal(1, table.Count);
        await staying.DisposeAsync();
        await Rig.UntilAsync(() => table.Count == 0);
        var kept = new FileInfo(Assert.Single(rig.Parts)).Length;
        Assert.True(kept >= MiB);
        Assert.Equal(Layer, await Rig.ReadAsync(backing, digest));
        Assert.StartsWith($"bytes={kept}-", rig.Hub.Requests.Last(r => r.IsGet).Range, StringComparison.Ordinal);
    }

    [Fact]
    public async Task At_most_32_fetches_from_one_upstream_run_at_a_time()
    {
        await using var rig = await Rig.StartAsync();
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet).WaitFor(gate.Task);
        var digests = Enumerable.Range(0, 40).Select(i => rig.Hub.AddBlob(Rig.Name, ScriptedUpstream.Bytes(1000, seed: 500 + i))).ToList();
        var reading = digests.Select(d => Task.Run(() => Rig.ReadAsync(rig.Backing, d))).ToList();
        await Rig.UntilAsync(() => rig.Fetches.Count == 40 && rig.Hub.Count(r => r.IsGet) >= 32);
        Assert.Equal(32, rig.Hub.Count(r => r.IsGet));
        gate.SetResult();
        await Task.WhenAll(reading);
        Assert.Equal(40, rig.Hub.Count(r => r.IsGet));
    }

    [Fact]
    public async Task Reader_without_a_place_for_an_early_range_follows_the_fetch()
    {
        await using var rig = await Rig.StartAsync();
        var layer = ScriptedUpstream.Bytes(12 * MiB, seed: 52);
        var digest = rig.Hub.AddBlob(Rig.Name, layer);
        var source = new UpstreamRepository(rig.Options, rig.Registry, RepositoryName.Parse(Rig.Name), rig.Clock);
        var places = Enumerable.Range(0, 100).Select(_ => rig.Fetches.Resources.Places.TryEnterEarly(source)).OfType<IDisposable>()
            .ToList();
        Assert.Equal(32, places.Count);
        await using (var content = await Rig.OpenAsync(rig.Backing, digest, new(BlobUseKind.Range, 8 * MiB, (9 * MiB) - 1)))
            Assert.Equal(layer[(8 * MiB)..(9 * MiB)], await Rig.ReadAsync(content, 8 * MiB, MiB));
        Assert.DoesNotContain(rig.Hub.Requests, r => r.Range is not null);
    }

    [Fact]
    public async Task Finished_early_ranges_free_their_places()
    {
        await using var rig = await Rig.StartAsync();
        var source = new UpstreamRepository(rig.Options, rig.Registry, RepositoryName.Parse(Rig.Name), rig.Clock);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet && r.Range is null).WaitFor(gate.Task);
        var layer = ScriptedUpstream.Bytes(12 * MiB, seed: 53);
        var digest = rig.Hub.AddBlob(Rig.Name, layer);
        for (var i = 0; i < 40; i++)
        {
            await using var content = await Rig.OpenAsync(rig.Backing, digest, new(BlobUseKind.Range, 8 * MiB, 9 * MiB));
            if (i % 2 == 0) Assert.Equal(layer[(8 * MiB)..(9 * MiB)], await Rig.ReadAsync(content, 8 * MiB, MiB));
        }
        Assert.Equal(32, Enumerable.Range(0, 100).Count(_ => rig.Fetches.Resources.Places.TryEnterEarly(source) is not null));
        gate.SetResult();
    }

    [Fact]
    public async Task Endpoint_that_sends_no_headers_for_ten_seconds_is_replaced_by_another()
    {
        await using var rig = await Rig.StartAsync(speed: 20, hubs: 2);
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.OtherHub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet).HangBeforeHeaders();
        var start = rig.Clock.GetTimestamp();
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        Assert.True(rig.Clock.GetElapsedTime(start) >= TimeSpan.FromSeconds(10));
        Assert.Equal(1, rig.OtherHub.Count(r => r.IsGet && r.IsBlob(digest)));
    }

    [Fact]
    public async Task Source_that_changes_mid_body_with_a_new_ETag_is_read_from_its_beginning()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        // If-Range names the old ETag, so the upstream sends the new content whole.
        rig.Hub.When(r => r.IsGet && r.Range is null).Header("ETag", "\"old\"").Cut(after: 3_000_000).Once();
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        var resumed = rig.Hub.Requests.Last(r => r.IsGet);
        Assert.Equal(("\"old\"", 200), (resumed.Headers["If-Range"], resumed.Status));
    }

    [Fact]
    public async Task Source_that_changes_its_content_mid_body_is_detected()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.Range is null).Cut(after: 3_000_000).Once();
        rig.Hub.When(r => r.IsGet && r.Range is not null).Flip(at: 4_000_000).Once();
        await using var content = await Rig.OpenAsync(rig.Backing, digest);
        var body = new Body();
        await Assert.ThrowsAnyAsync<IOException>(async () => await content.CopyToAsync(body, 0, null, default));
        Assert.True(body.Length < Layer.Length);
        await rig.SettleAsync();
        Assert.False(rig.IsStored(digest));
        Assert.Empty(rig.Parts);
    }

    [Fact]
    public async Task Source_that_changes_its_length_mid_body_is_not_used()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.Range is null).Cut(after: 3_000_000).Once();
        rig.Hub.When(r => r.IsGet && r.Range is not null)
            .Header("Content-Range", $"bytes 3000000-{Layer.Length - 1}/{Layer.Length + 1}").Once();
        await using var content = await Rig.OpenAsync(rig.Backing, digest);
        var body = new Body();
        await Assert.ThrowsAnyAsync<IOException>(async () => await content.CopyToAsync(body, 0, null, default));
        Assert.Equal(3_000_000, body.Length);
        await rig.SettleAsync();
        Assert.Empty(rig.Parts);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    public async Task Complete_part_is_recognized_by_its_digest_if_the_length_is_unknown(int tooMany)
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsBlob(digest)).Chunked().Header("Content-Length", null);
        await rig.LinkAsync(digest, -1);
        await using (var file = rig.Volume.Fetches.Open(Rig.D(digest), null)!)
            file.Write(0, [.. Layer, .. new byte[tooMany]]);
        // A part that is too long cannot be resumed; it is removed, so the next request works.
        if (tooMany > 0)
            Assert.IsType<Result<IContent>.Unavailable>(await rig.Backing.OpenBlobAsync(Rig.D(digest), BlobUse.Whole, default));
        await rig.SettleAsync();
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        await rig.SettleAsync();
        Assert.True(rig.IsStored(digest));
        Assert.Equal(tooMany > 0 ? 2 : 0, rig.Gets(digest));
    }

    [Fact]
    public async Task Size_answer_without_GET_is_not_used_for_a_caller_that_may_spend_a_GET()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        await rig.LinkAsync(digest, -1);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsHead).WaitFor(gate.Task).RefuseHead();
        var whole = Task.Run(() => Rig.ReadAsync(rig.Backing, digest));
        await rig.Hub.ReceivedAsync(r => r.IsHead);
        var head = Rig.OpenAsync(rig.Backing, digest, BlobUse.Head);
        gate.SetResult();
        await using (var content = await head) Assert.Equal(Layer.Length, content.Length);
        Assert.Equal(Layer, await whole);
    }

    [Fact]
    public async Task Changed_upstream_url_renews_the_links_and_does_not_fetch_the_bytes_again()
    {
        await using var rig = await Rig.StartAsync(hubs: 2, apart: true);
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var (one, two) = (rig.Hub.Url, rig.OtherHub.Url);
        var origins = rig.Volume.Origins;
        await Rig.ReadAsync(rig.Pull(Rig.Name, folder: origins.FolderOf("hub", [one])), digest);
        await rig.SettleAsync();
        var moved = rig.Pull(Rig.Name, "other", origins.FolderOf("hub", [two]));
        Assert.IsType<Result<IContent>.Absent>(await moved.OpenBlobAsync(Rig.D(digest), BlobUse.Whole, default));
        rig.OtherHub.AddBlob("second/app", Layer);
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Pull("second/app", "other", origins.FolderOf("hub", [two])), digest));
        // A 404 to HEAD is confirmed by a GET.
        Assert.All(rig.OtherHub.Requests, r => Assert.Equal(0, r.BytesSent));
        Assert.Equal(["HEAD", "GET", "HEAD"], rig.OtherHub.Requests.Select(r => r.Method));
    }

    [Fact]
    public async Task Upstream_keeps_its_links_over_a_restart_if_one_of_its_urls_stays()
    {
        await using var rig = await Rig.StartAsync();
        Uri a = new("https://a.test"), b = new("https://b.test"), c = new("https://c.test");
        Assert.Equal("hub_5000", rig.Volume.Origins.FolderOf("hub:5000", [a]));
        await rig.RestartAsync();
        Assert.Equal("hub_5000", rig.Volume.Origins.FolderOf("hub:5000", [b, a]));
        Assert.Equal("hub_5000", rig.Volume.Origins.FolderOf("hub:5000", [b]));
        Assert.Equal("hub_5000@2", rig.Volume.Origins.FolderOf("hub:5000", [c]));
        await rig.RestartAsync();
        Assert.Equal("hub_5000@2", rig.Volume.Origins.FolderOf("hub:5000", [c]));
        Assert.Equal("hub_5000", rig.Volume.Origins.FolderOf("hub:5000", [b]));
        Assert.Equal("hub_5000@3", rig.Volume.Origins.FolderOf("hub:5000", [a]));
    }

    private static async Task LeaveAfterAsync(Rig rig, string digest, long after, PullThroughRepository? backing = null)
    {
        await using var content = await Rig.OpenAsync(backing ?? rig.Backing, digest);
        await Assert.ThrowsAsync<ClientHungUpException>(
            async () => await content.CopyToAsync(new Body(hangsUpAfter: after), 0, null, default));
    }
}
