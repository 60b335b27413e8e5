using System.Collections.Concurrent;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.PullThrough;
using Gateway.Repositories;
using Xunit;
using static Gateway.Tests.Fronting.FrontedRig;

namespace Gateway.Tests.Fronting;

/// <summary>Tags that change through the gateway while replicas share what the upstream said about them before.</summary>
public sealed class SharedTagForwardTests
{
    private static readonly TagName Tag = TagName.Parse("v1");
    private static readonly TagOptions Tags = new() { RevalidateAfter = TimeSpan.FromMinutes(10) };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Deleted_tag_does_not_come_back_from_what_replicas_share(bool writesAreLost)
    {
        var board = new Board();
        await using var rig = await StartAsync(tags: Tags, shared: board);
        var digest = await rig.PushedAsync("v1", "app");
        Assert.Equal(digest, board.Said[Tag].Digest);
        board.LosesWrites = writesAreLost;

        Assert.IsType<Answer<Digest>.Found>(await rig.Gate.DeleteManifestAsync(Pusher, new(Tag), default));

        Assert.Equal(writesAreLost, !board.Said[Tag].Digest.IsEmpty);
        Assert.StartsWith("Absent", await rig.SeenAsync(Puller, "v1"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tag_of_a_deleted_manifest_does_not_come_back_from_what_replicas_share()
    {
        var board = new Board();
        await using var rig = await StartAsync(tags: Tags, shared: board);
        var digest = await rig.PushedAsync("v1", "app");

        Assert.IsType<Answer<Digest>.Found>(await rig.Gate.DeleteManifestAsync(Pusher, new(digest), default));

        Assert.True(board.Said[Tag].Digest.IsEmpty);
    }

    [Fact]
    public async Task Pushed_tag_is_as_new_as_the_push_and_shared_also_after_an_older_answer_was_bound()
    {
        var board = new Board();
        await using var rig = await StartAsync(tags: Tags, shared: board);
        var first = await rig.PushedAsync(null, "one");
        board.Said[Tag] = (first, board.Now!.Value - TimeSpan.FromMinutes(9));
        Assert.Equal(first.ToString(), await rig.SeenAsync(Puller, "v1"));

        var second = await rig.PushedAsync("v1", "two");

        Assert.Equal(second, board.Said[Tag].Digest);
        Assert.Equal(second.ToString(), await rig.SeenAsync(Puller, "v1"));
        var live = rig.Volume.Cached("hub", RepositoryName.Parse(Name)).Live(Tag)!;
        Assert.InRange(DateTimeOffset.UtcNow - live.ValidatedAt, TimeSpan.Zero, TimeSpan.FromMinutes(2));
    }

    /// <summary>What replicas share, in memory.</summary>
    private sealed class Board : ISharedTags
    {
        public ConcurrentDictionary<TagName, (Digest Digest, TimeSpan At)> Said { get; } = new();

        public bool LosesWrites { get; set; }

        public TimeSpan? Now => DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch;

        public ValueTask<SharedTag?> FindAsync(UpstreamRepository source, TagName tag, TimeSpan maxAge) =>
            new(Said.TryGetValue(tag, out var said) && !said.Digest.IsEmpty && Now!.Value - said.At is var age && age < maxAge
                ? new SharedTag(said.Digest, age)
                : null);

        void ISharedTags.Said(UpstreamRepository source, TagName tag, Digest digest, TimeSpan at, TimeSpan maxAge)
        {
            if (!LosesWrites) Said[tag] = (digest, at);
        }

        public void Forget() => Said.Clear();
    }
}
