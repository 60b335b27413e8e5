using System.Text;
using Gateway.Oci;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>A HEAD without a usable answer is followed by one GET; then the gateway skips HEAD for a while.</summary>
public sealed class HeadTests
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1000, seed: 73);

    /// <summary>Answers to HEAD of registries, and of the stores that they redirect to, where GET works.</summary>
    public static TheoryData<int, bool> Answers
    {
        get
        {
            var data = new TheoryData<int, bool>();
            foreach (var status in new[] { 400, 401, 403, 404, 405, 406, 410, 501 })
            {
                data.Add(status, false);
                data.Add(status, true);
            }
            return data;
        }
    }

    /// <summary>Answers HEADs with this status, or redirects them to a store that does; GETs are answered as usual.</summary>
    private static void RefuseHeads(
        ScriptedUpstream hub, ScriptedUpstream store, Func<ReceivedRequest, bool> which, int status, bool redirected)
    {
        var rule = hub.When(r => r.IsHead && which(r));
        _ = redirected ? rule.Redirect(new Uri(store.Url, "/signed")) : rule.Respond(status);
        store.When(_ => true).Respond(status);
    }

    private static Task<Rig> StartAsync() => Rig.StartAsync(o => o with { Redirects = ["127.0.0.7"] });

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task Tag_whose_HEAD_is_refused_costs_one_GET_and_later_tags_skip_HEAD(int status, bool redirected)
    {
        await using var rig = await StartAsync();
        await using var store = await ScriptedUpstream.StartAsync("127.0.0.7");
        RefuseHeads(rig.Hub, store, r => r.IsAnyManifest, status, redirected);
        var images = Enumerable.Range(1, 3).Select(i => rig.Hub.AddImage(Rig.Name, $"v{i}", Layer)).ToArray();
        for (var i = 0; i < 3; i++) Assert.Equal(images[i].Digest, await rig.PullTagAsync($"v{i + 1}"));
        Assert.Equal(["HEAD v1", "GET v1", "GET v2", "GET v3"], rig.Hub.Requests.Select(r => $"{r.Method} {r.Reference}"));
        rig.Hub.Behave();
        rig.Clock.Advance(TimeSpan.FromMinutes(61));
        Assert.Equal(images[0].Digest, await rig.PullTagAsync("v1"));
        Assert.Equal("HEAD v1", $"{rig.Hub.Requests[^1].Method} {rig.Hub.Requests[^1].Reference}");
    }

    [Fact]
    public async Task Absent_tag_costs_a_GET_only_until_a_HEAD_has_worked()
    {
        await using var rig = await Rig.StartAsync();
        Assert.Equal("Absent", await rig.PullTagAsync("none"));
        Assert.Equal(["HEAD none", "GET none"], rig.Hub.Requests.Select(r => $"{r.Method} {r.Reference}"));
        rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        var before = rig.Hub.Requests.Count;
        for (var i = 0; i < 3; i++) Assert.Equal("Absent", await rig.PullTagAsync($"none{i}"));
        Assert.Equal(["HEAD none0", "HEAD none1", "HEAD none2"], rig.Hub.Requests.Skip(before).Select(r => $"{r.Method} {r.Reference}"));
    }

    [Fact]
    public async Task One_refused_HEAD_does_not_stop_HEADs_to_an_upstream_where_they_work()
    {
        await using var rig = await Rig.StartAsync();
        var (one, odd) = (rig.Hub.AddImage(Rig.Name, "v1", Layer), rig.Hub.AddImage(Rig.Name, "odd", Layer));
        rig.Hub.When(r => r.IsHead && r.Reference == "odd").Respond(403);
        Assert.Equal(one.Digest, await rig.PullTagAsync());
        Assert.Equal(odd.Digest, await rig.PullTagAsync("odd"));
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        await rig.PullTagAsync();
        Assert.True(rig.Hub.Requests[^1].IsHead);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(503)]
    [InlineData(429)]
    public async Task HEAD_that_fails_temporarily_is_not_repeated_by_GET(int status)
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.AddImage(Rig.Name, "v1", Layer);
        rig.Hub.When(r => r.IsHead).Respond(status);
        Assert.Equal("Unavailable", await rig.PullTagAsync());
        Assert.DoesNotContain(rig.Hub.Requests, r => r.IsGet);
    }

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task Blob_whose_HEAD_is_refused_is_found_by_GET_and_later_blobs_skip_HEAD(int status, bool redirected)
    {
        await using var rig = await StartAsync();
        await using var store = await ScriptedUpstream.StartAsync("127.0.0.7");
        RefuseHeads(rig.Hub, store, r => r.IsAnyBlob, status, redirected);
        string[] blobs = [.. Enumerable.Range(0, 3).Select(i => rig.Hub.AddBlob(Rig.Name, ScriptedUpstream.Bytes(100 + i, seed: i)))];
        foreach (var blob in blobs)
        {
            await using var content = await Rig.OpenAsync(rig.Backing, blob, BlobUse.Head);
            Assert.NotNull(content.Length);
        }
        Assert.Equal(1, rig.Hub.Count(r => r.IsHead));
        Assert.Equal(3, rig.Hub.Count(r => r.IsGet));
    }

    [Fact]
    public async Task Blob_of_a_known_manifest_needs_neither_HEAD_nor_GET_for_its_size()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        rig.Hub.When(r => r.IsHead && r.IsAnyBlob).Respond(401);
        await rig.PullTagAsync();
        await using var content = await Rig.OpenAsync(rig.Backing, image.Layers[0], BlobUse.Head);
        Assert.Equal(Layer.Length, content.Length);
        Assert.DoesNotContain(rig.Hub.Requests, r => r.IsAnyBlob);
    }

    [Fact]
    public async Task Tag_with_an_unusable_manifest_costs_one_GET_if_HEAD_does_not_work()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(r => r.IsHead).Respond(405);
        rig.Hub.AddManifest(Rig.Name, Encoding.UTF8.GetBytes("""{"schemaVersion":2}"""), MediaTypes.OciManifest, "bad");
        for (var i = 0; i < 3; i++) Assert.Equal("Unavailable", await rig.PullTagAsync("bad"));
        Assert.Single(rig.Hub.Requests, r => r.IsGet);
    }
}
