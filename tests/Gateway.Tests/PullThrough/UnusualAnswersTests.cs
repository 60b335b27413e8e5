using Gateway.Configuration;
using Gateway.Oci;
using Gateway.PullThrough;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Answers of public registries, and of proxies in front of registries, that the specification does not foresee.</summary>
public sealed class UnusualAnswersTests
{
    private const string Signature = "application/vnd.dev.sigstore.bundle.v0.3+json";
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1000, seed: 62);

    [Theory]
    [InlineData("text/html; charset=utf-8")]
    [InlineData("application/xhtml+xml")]
    public async Task Login_page_proves_nothing_about_a_private_blob(string type)
    {
        await using var rig = await Rig.StartAsync(o => o with { Auth = UpstreamAuth.Passthrough, Redirects = ["127.0.0.7"] });
        await using var login = await ScriptedUpstream.StartAsync("127.0.0.7");
        login.When(_ => true).Respond(200, "<html>", type);
        rig.Hub.RequireBasic("alice", "alices-secret");
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        rig.Hub.When(r => r.Authorization is null && r.IsAnyBlob).Redirect(new Uri(login.Url, "/login"), 302);
        var (views, name) = (new PrivateRepositories(rig.Fetches, rig.Clock), RepositoryName.Parse(Rig.Name));
        PrivateRepository See(Credential? client) => views.For(
            rig.Options, rig.Registry, name, client, ManifestLimits.Plain, () => rig.Volume.Cached("hub", name));
        var alice = See(new("alice", "alices-secret"));
        Assert.IsType<Result<StoredManifest>.Found>(await alice.ReadManifestAsync(Rig.D(image.Digest), default));
        Assert.Equal(Layer, await Rig.ReadAsync(alice, image.Layers[0]));
        await rig.SettleAsync();
        Assert.True(rig.IsStored(image.Layers[0]));

        foreach (var use in new[] { BlobUse.Head, BlobUse.Whole, new(BlobUseKind.Range, 10, 20) })
            Assert.IsNotType<Result<IContent>.Found>(await See(null).OpenBlobAsync(Rig.D(image.Layers[0]), use, default));
    }

    [Fact]
    public async Task Referrers_of_a_registry_that_sends_readers_to_its_web_site_are_those_of_the_fallback_tag()
    {
        await using var rig = await Rig.StartAsync(o => o with { Redirects = ["127.0.0.7"] });
        await using var site = await ScriptedUpstream.StartAsync("127.0.0.7");
        site.When(_ => true).Respond(429);
        rig.Hub.When(r => r.IsReferrers).Redirect(new Uri(site.Url, "/-/v2/packages"), 303);
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        Assert.Empty(await ReferrersAsync(rig, image.Digest));
        var signature = rig.Hub.AddReferrer(Rig.Name, image.Digest, Signature);
        rig.Hub.WriteFallbackTag(Rig.Name, image.Digest);
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        Assert.Equal([signature], await ReferrersAsync(rig, image.Digest));
        Assert.Empty(site.Requests);
    }

    [Fact]
    public async Task Fallback_tag_that_is_taken_for_the_digest_of_the_subject_lists_nothing()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.HasReferrersApi = false;
        var index = rig.Hub.AddIndex(Rig.Name, "v1", [.. Enumerable.Range(1, 4).Select(n => rig.Hub.AddImage(Rig.Name, null, Layer[..n]))]);
        rig.Hub.Tag(Rig.Name, index.Replace(':', '-'), index);
        await rig.PullTagAsync();
        var before = rig.Hub.Requests.Count;
        Assert.Empty(await ReferrersAsync(rig, index));
        Assert.InRange(rig.Hub.Requests.Count - before, 1, 3);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Tag_whose_HEAD_names_a_manifest_that_is_gone_is_read_by_GET(bool isCached)
    {
        await using var rig = await Rig.StartAsync();
        if (isCached)
        {
            rig.Hub.AddImage(Rig.Name, "v1", Layer);
            await rig.PullTagAsync();
            rig.Clock.Advance(TimeSpan.FromMinutes(6));
        }
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer[..10]);
        rig.Hub.When(r => r.IsHead && r.IsManifest("v1")).ClaimDigest(ScriptedUpstream.DigestOf("gone"u8));
        var before = rig.Hub.Requests.Count;
        for (var i = 0; i < 3; i++) Assert.Equal(image.Digest, await rig.PullTagAsync());
        Assert.InRange(rig.Hub.Requests.Count - before, 3, 4);
    }

    [Fact]
    public async Task Cached_tag_that_neither_HEAD_nor_GET_confirms_is_served_with_a_warning()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        rig.Hub.When(r => r.IsHead && r.IsManifest("v1")).ClaimDigest(ScriptedUpstream.DigestOf("gone"u8));
        rig.Hub.When(r => r.IsGet && r.IsManifest("v1")).Respond(500);
        var answer = Assert.IsType<Answer<StoredManifest>.Found>(
            await rig.Gate.GetManifestAsync(Rig.Caller, new(TagName.Parse("v1")), default));
        Assert.Equal(image.Digest, answer.Value.Digest.ToString());
        Assert.StartsWith("stale: ", answer.Handling.Notice, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tag_that_moves_between_HEAD_and_GET_is_asked_for_again()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        rig.Hub.When(r => r.IsHead && r.IsManifest("v1")).Once().ClaimDigest(ScriptedUpstream.DigestOf("gone"u8));
        Assert.Equal(image.Digest, await rig.PullTagAsync());
    }

    [Fact]
    public async Task Tag_whose_manifest_is_gone_for_good_is_absent_after_a_few_requests()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(r => r.IsHead).Respond(200, "", MediaTypes.OciManifest).ClaimDigest(ScriptedUpstream.DigestOf("gone"u8));
        for (var i = 0; i < 3; i++) Assert.Equal("Absent", await rig.PullTagAsync());
        Assert.InRange(rig.Hub.Requests.Count, 3, 4);
    }

    [Fact]
    public async Task Length_0_of_a_HEAD_is_not_taken_for_the_size_of_a_blob()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsHead && r.IsAnyBlob).ClaimLength(0);
        await using (var head = await Rig.OpenAsync(rig.Backing, digest, BlobUse.Head)) Assert.Equal(Layer.Length, head.Length);
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
    }

    [Fact]
    public async Task Empty_blob_is_found_by_HEAD()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, []);
        await using (var head = await Rig.OpenAsync(rig.Backing, digest, BlobUse.Head)) Assert.Equal(0, head.Length);
        Assert.Equal(["HEAD"], rig.Hub.Requests.Select(r => r.Method));
    }

    /// <summary>ECR and ECR Public: the place to continue is an opaque text, and a tag in its place is an error.</summary>
    [Theory]
    [InlineData(400)]
    [InlineData(405)]
    public async Task Tag_list_that_continues_only_at_its_own_places_is_read_whole(int status)
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(r => r.IsTags && r.Query.Contains("last=cGFnZTI", StringComparison.Ordinal))
            .Respond(200, """{"name":"x","tags":["c","d"]}""");
        rig.Hub.When(r => r.IsTags && r.Query.Contains("last=", StringComparison.Ordinal)).Respond(status);
        rig.Hub.When(r => r.IsTags).Respond(200, """{"name":"x","tags":["a","b"]}""")
            .Header("Link", $"</v2/{Rig.Name}/tags/list?last=cGFnZTI&n=2>; rel=\"next\"");
        Assert.Equal(("c d", false), await TagsAsync(rig, "b", 2));
        Assert.Equal(("a b", true), await TagsAsync(rig, null, 2));
        Assert.Equal(("b c", true), await TagsAsync(rig, "a", 2));
    }

    [Fact]
    public async Task Tag_list_that_repeats_its_first_page_is_not_read_a_hundred_times()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(r => r.IsTags).Respond(200, """{"name":"x","tags":["z","a"]}""")
            .Header("Link", $"</v2/{Rig.Name}/tags/list?n=1000&last=z>; rel=\"next\"");
        Assert.Equal(("a z", false), await TagsAsync(rig, null, 10));
        Assert.InRange(rig.Hub.Requests.Count, 1, 3);
        Assert.Null((await rig.Backing.TagsAfterAsync(null, 10, default)).Handling.Notice);
    }

    [Fact]
    public async Task Tag_list_that_repeats_a_full_page_is_called_cut()
    {
        await using var rig = await Rig.StartAsync();
        var tags = string.Join(',', Enumerable.Range(0, 1000).Select(i => $"\"{9999 - i}\""));
        rig.Hub.When(r => r.IsTags).Respond(200, $$"""{"name":"x","tags":[{{tags}}]}""")
            .Header("Link", $"</v2/{Rig.Name}/tags/list?n=1000&last=z>; rel=\"next\"");
        var list = await rig.Backing.TagsAfterAsync(null, 10, default);
        Assert.Contains("the list is cut", list.Handling.Notice, StringComparison.Ordinal);
    }

    private static async Task<string[]> ReferrersAsync(Rig rig, string subject)
    {
        var result = await rig.Backing.ReferrersAsync(Rig.D(subject), default);
        return [.. Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(result).Value.Select(d => d.Digest.ToString())];
    }

    private static async Task<(string Tags, bool More)> TagsAsync(Rig rig, string? last, int count)
    {
        var page = Assert.IsType<Result<Page<TagName>>.Found>(await rig.Backing.TagsAfterAsync(last, count, default)).Value;
        return (string.Join(' ', page.Items), page.More);
    }
}
