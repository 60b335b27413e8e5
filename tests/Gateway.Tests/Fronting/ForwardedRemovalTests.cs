using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Tests.Repositories;
using Xunit;
using static Gateway.Tests.Fronting.FrontedRig;

namespace Gateway.Tests.Fronting;

/// <summary>Deletes in fronted repositories.</summary>
public sealed class ForwardedRemovalTests
{
    [Fact]
    public async Task Deleted_manifest_is_removed_at_the_upstream_and_here_at_once()
    {
        await using var rig = await StartAsync();
        var digest = await rig.PushedAsync("v1", "app");

        Assert.IsType<Answer<Digest>.Found>(await rig.Gate.DeleteManifestAsync(Pusher, new(digest), default));

        Assert.Equal([$"DELETE {digest}"], rig.Writes().Where(w => w.StartsWith("DELETE", StringComparison.Ordinal)));
        Assert.StartsWith("Absent", await rig.SeenAsync(Puller, digest.ToString()), StringComparison.Ordinal);
        Assert.StartsWith("Absent", await rig.SeenAsync(Puller, "v1"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Deleted_tag_keeps_its_manifest()
    {
        await using var rig = await StartAsync();
        var digest = await rig.PushedAsync("v1", "app");

        Assert.IsType<Answer<Digest>.Found>(await rig.Gate.DeleteManifestAsync(Pusher, new(TagName.Parse("v1")), default));

        Assert.Null(rig.There("v1"));
        Assert.StartsWith("Absent", await rig.SeenAsync(Puller, "v1"), StringComparison.Ordinal);
        Assert.Equal(digest.ToString(), await rig.SeenAsync(Puller, digest.ToString()));
    }

    [Fact]
    public async Task Uncached_content_can_be_deleted()
    {
        await using var rig = await StartAsync();
        var image = rig.Hub.AddImage(Name, "old", [1, 2]);

        Assert.IsType<Answer<Digest>.Found>(await rig.Gate.DeleteBlobAsync(Pusher, Digest.Parse(image.Layers[0]), default));
        Assert.IsType<Answer<Digest>.Found>(await rig.Gate.DeleteManifestAsync(Pusher, new(Digest.Parse(image.Digest)), default));

        Assert.Null(rig.Hub.FindBlob(Name, image.Layers[0]));
        Assert.StartsWith("Absent", await rig.SeenAsync(Puller, "old"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refusal_to_delete_is_passed_on_and_nothing_is_removed_here()
    {
        await using var rig = await StartAsync();
        var digest = await rig.PushedAsync("v1", "app");
        rig.Hub.AllowsDelete = false;

        var answer = await rig.Gate.DeleteManifestAsync(Pusher, new(digest), default);

        var refused = Assert.IsType<Answer<Digest>.Invalid>(answer);
        Assert.Equal((RegistryErrorCode.UNSUPPORTED, InvalidCause.NotSupportedHere), (refused.Code, refused.Cause));
        Assert.Contains("switched off", refused.Message, StringComparison.Ordinal);
        Assert.Equal(digest.ToString(), await rig.SeenAsync(Puller, "v1"));
    }

    [Fact]
    public async Task Deleted_tag_is_not_listed()
    {
        await using var rig = await StartAsync();
        await rig.PushedAsync("v1", "one");
        await rig.PushedAsync("v2", "two");
        await rig.Gate.DeleteManifestAsync(Pusher, new(TagName.Parse("v1")), default);

        var tags = Assert.IsType<Answer<Page<TagName>>.Found>(await rig.Gate.TagsAsync(Puller, null, 100, default));

        Assert.Equal(["v2"], tags.Value.Items.Select(t => t.Value));
    }
}
