using Gateway.Oci;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Referrers and tags: the upstream's lists, and the cached ones while it is down.</summary>
public sealed class ListTests
{
    private const string Signature = "application/vnd.dev.sigstore.bundle.v0.3+json";
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1000, seed: 61);

    [Fact]
    public async Task Referrers_of_all_pages_are_listed_and_stay_while_the_upstream_is_down()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var expected = Enumerable.Range(0, 5).Select(_ => rig.Hub.AddReferrer(Rig.Name, image.Digest, Signature))
            .Order(StringComparer.Ordinal).ToArray();
        rig.Hub.PageSize = 2;
        Assert.Equal(expected, await ReferrersAsync(rig, image.Digest));
        Assert.Equal(3, rig.Hub.Count(r => r.IsReferrers));
        rig.Hub.When(_ => true).Respond(503);
        rig.Clock.Advance(TimeSpan.FromHours(1));
        await rig.RestartAsync();
        var found = Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(await rig.Backing.ReferrersAsync(Rig.D(image.Digest), default));
        Assert.Equal(expected, found.Value.Select(d => d.Digest.ToString()));
        Assert.All(found.Value, d => Assert.Equal(Signature, d.ArtifactType));
        Assert.Equal(ForwardReason.Stale, found.Handling.Forward);
    }

    [Fact]
    public async Task Long_list_of_referrers_is_one_file_and_is_requested_again_after_a_purge_or_an_eviction()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        for (var i = 0; i < 300; i++) rig.Hub.AddReferrer(Rig.Name, image.Digest, Signature);
        var entry = new CachedRepositories.Entry("hub", RepositoryName.Parse(Rig.Name));
        var own = rig.Volume.Roots.Cached.Own(entry.ToString());

        Assert.Equal(300, (await ReferrersAsync(rig, image.Digest)).Length);
        Assert.Equal([$"listed/{image.Digest.Replace(':', '-')}"], FilesOf(own));
        Assert.Equal([entry], rig.Volume.CachedRepositories.All());
        await rig.Volume.CachedRepositories.RemoveAllAsync(entry, default);
        Assert.Empty(FilesOf(own));

        Assert.Equal(300, (await ReferrersAsync(rig, image.Digest)).Length);
        await rig.Volume.Eviction.Counted;
        Assert.InRange(rig.Volume.Eviction.Bytes, new FileInfo(Directory.GetFiles($"{own}/listed").Single()).Length, long.MaxValue);
        rig.Volume.Eviction.MaxBytes = 0;
        rig.Volume.Eviction.MakeRoom(0);
        while (rig.Volume.Eviction.IsRemoving) await Task.Delay(5);
        Assert.Empty(FilesOf(own));
        Assert.Equal(0, rig.Volume.Eviction.Bytes);
    }

    private static string[] FilesOf(string folder) => Directory.Exists(folder)
        ? [.. Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(folder, file))]
        : [];

    [Fact]
    public async Task Fallback_tag_lists_only_entries_that_name_the_subject_themselves()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.HasReferrersApi = false;
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var signature = rig.Hub.AddReferrer(Rig.Name, image.Digest, Signature);
        var stranger = rig.Hub.AddImage(Rig.Name, null, Layer);
        rig.Hub.WriteFallbackTag(Rig.Name, image.Digest);
        Assert.Equal([signature], await ReferrersAsync(rig, image.Digest));
        rig.Hub.AddIndex(Rig.Name, image.Digest.Replace(':', '-'), stranger);
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        Assert.Equal([signature], await ReferrersAsync(rig, image.Digest));
    }

    [Fact]
    public async Task Unavailable_referrers_are_not_answered_as_an_empty_list()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(_ => true).Respond(503);
        var subject = Rig.D(ScriptedUpstream.DigestOf("x"u8));
        Assert.IsType<Result<IReadOnlyList<Descriptor>>.Unavailable>(await rig.Backing.ReferrersAsync(subject, default));
    }

    [Fact]
    public async Task Cosign_tags_are_ordinary_tags()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var tag = $"{image.Digest.Replace(':', '-')}.sig";
        var signature = rig.Hub.AddReferrer(Rig.Name, image.Digest, Signature, tag);
        Assert.Equal(signature, await rig.PullTagAsync(tag));
    }

    [Fact]
    public async Task Tags_are_listed_page_by_page_as_the_upstream_lists_them()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "a", Layer);
        foreach (var tag in new[] { "b", "c", "d", "e" }) rig.Hub.Tag(Rig.Name, tag, image.Digest);
        Assert.Equal(("a b", true), await TagsAsync(rig, null, 2));
        Assert.Equal(("c d", true), await TagsAsync(rig, "b", 2));
        Assert.Equal(("e", false), await TagsAsync(rig, "d", 2));
    }

    [Fact]
    public async Task Tag_list_in_another_order_or_paged_by_tokens_is_read_whole_and_sorted()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(r => r.IsTags && r.Query.Contains("next_page=2", StringComparison.Ordinal))
            .Respond(200, """{"name":"x","tags":["Z","b"]}""");
        rig.Hub.When(r => r.IsTags).Respond(200, """{"name":"x","tags":["d","a"]}""")
            .Header("Link", $"</v2/{Rig.Name}/tags/list?next_page=2>; rel=\"next\"");
        Assert.Equal(("Z a", true), await TagsAsync(rig, null, 2));
        Assert.Equal(("b d", false), await TagsAsync(rig, "a", 2));
    }

    [Fact]
    public async Task Page_without_tags_after_the_last_one_does_not_end_the_list()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(r => r.IsTags && r.Query.Contains("last=b", StringComparison.Ordinal)).Respond(200, """{"name":"x","tags":["d"]}""");
        rig.Hub.When(r => r.IsTags).Respond(200, """{"name":"x","tags":["a","b"]}""")
            .Header("Link", $"</v2/{Rig.Name}/tags/list?n=2&last=b>; rel=\"next\"");
        Assert.Equal(("d", false), await TagsAsync(rig, "c", 2));
    }

    [Fact]
    public async Task Tag_list_of_an_upstream_that_ignores_n_and_last_is_cut_to_the_page()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(r => r.IsTags).Respond(200, """{"name":"x","tags":["a","b","c"]}""");
        Assert.Equal(("a b", true), await TagsAsync(rig, null, 2));
        Assert.Equal(("c", false), await TagsAsync(rig, "b", 2));
    }

    [Fact]
    public async Task Tag_list_that_is_too_long_to_read_says_that_it_is_cut()
    {
        await using var rig = await Rig.StartAsync();
        // The order is wrong, so the whole list must be read; and the list never ends.
        var tags = string.Join(',', Enumerable.Range(0, 2000).Select(i => $"\"a{i:D4}\""));
        var page = $$"""{"name":"x","tags":["z",{{tags}}]}""";
        rig.Hub.When(r => r.IsTags).Respond(200, page).Header("Link", "</v2/x/tags/list?n=1000&last=z>; rel=\"next\"");
        var found = Assert.IsType<Result<Page<TagName>>.Found>(await rig.Backing.TagsAfterAsync(null, 10, default));
        Assert.Equal("a0000", found.Value.Items[0].Value);
        Assert.Contains("the list is cut", found.Handling.Notice, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cached_tags_are_listed_with_a_warning_while_the_upstream_is_down()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        rig.Hub.When(_ => true).Respond(503);
        var found = Assert.IsType<Result<Page<TagName>>.Found>(await rig.Backing.TagsAfterAsync(null, 10, default));
        Assert.Equal("v1", Assert.Single(found.Value.Items).Value);
        Assert.NotNull(found.Handling.Notice);
    }

    [Fact]
    public async Task Repository_that_the_upstream_does_not_have_has_no_tag_list()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(r => r.IsTags).Respond(404);
        Assert.IsType<Result<Page<TagName>>.Absent>(await rig.Backing.TagsAfterAsync(null, 10, default));
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
