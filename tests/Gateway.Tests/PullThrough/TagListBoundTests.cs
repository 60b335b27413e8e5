using Gateway.Oci;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Limits on the memory for an upstream's list of tags.</summary>
public sealed class TagListBoundTests
{
    [Fact]
    public async Task Entries_of_a_list_that_are_not_tags_are_dropped()
    {
        await using var rig = await Rig.StartAsync();
        var junk = string.Join(',', Enumerable.Range(0, 100).Select(i => $"\"{new string('x', 10_000)}{i}\""));
        rig.Hub.When(r => r.IsTags).Respond(200, $$"""{"name":"x","tags":["z","a",{{junk}},"-no",null]}""");
        var found = Assert.IsType<Result<Page<TagName>>.Found>(await rig.Backing.TagsAfterAsync(null, 10, default));
        Assert.Equal(["a", "z"], found.Value.Items.Select(t => t.Value));
        Assert.True(rig.Fetches.TagLists.TryGet(Assert.Single(rig.Fetches.TagLists.Keys), out var kept));
        Assert.Equal(["a", "z"], kept.Tags);
    }

    [Fact]
    public async Task Endless_list_is_cut_at_its_character_limit_and_says_so()
    {
        await using var rig = await Rig.StartAsync();
        for (var page = 0; page < 8; page++)
        {
            var tags = string.Join(',', Enumerable.Range(0, 10_000).Select(i => $"\"{page:D3}{i:D5}{new string('x', 120)}\""));
            rig.Hub.When(r => r.IsTags).Respond(200, $$"""{"name":"x","tags":["z",{{tags}}]}""")
                .Header("Link", "</v2/x/tags/list?n=1000&last=z>; rel=\"next\"").Once();
        }
        var found = Assert.IsType<Result<Page<TagName>>.Found>(await rig.Backing.TagsAfterAsync(null, 10, default));
        Assert.Contains("the list is cut", found.Handling.Notice, StringComparison.Ordinal);
        Assert.True(rig.Fetches.TagLists.TryGet(Assert.Single(rig.Fetches.TagLists.Keys), out var kept));
        Assert.InRange(kept.Tags.Sum(t => (long)t.Length), 3 << 20, 4 << 20);
        // The first page, and of the whole list only what the limit has room for.
        Assert.InRange(rig.Hub.Count(r => r.IsTags), 4, 6);
    }

    [Fact]
    public async Task Lists_of_many_repositories_share_one_limit()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(r => r.IsTags).Respond(200, """{"name":"x","tags":["z","a"]}""");
        for (var i = 0; i < 100; i++) await rig.Pull($"many/app{i}").TagsAfterAsync(null, 10, default);
        Assert.InRange(rig.Fetches.TagLists.Keys.Count, 1, 16);
    }
}
