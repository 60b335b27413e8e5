using Gateway.Oci;
using Gateway.PullThrough;
using Gateway.Storage.Tests;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>The growing file of a fetch, without an upstream: what is hashed, what readers may read, and what remains on disk.</summary>
public sealed class PartFileTests
{
    private static readonly byte[] Content = ScriptedUpstream.Bytes(1_000_000, seed: 71);
    private static readonly Digest OfContent = Digest.Parse(ScriptedUpstream.DigestOf(Content));

    [Fact]
    public async Task Readers_see_all_bytes_except_the_last_until_the_digest_matches()
    {
        await using var volume = await VolumeRig.OpenAsync();
        await using var part = Open(volume);
        await part.WriteAsync(0, Content, default);
        Assert.Equal((Content.Length, Content.Length - 1), (part.Position, part.Readable));
        Assert.Equal(OfContent, part.DigestSoFar());
        part.Complete();
        Assert.Equal(Content.Length, part.Readable);
        Assert.Equal(Content.Length, await part.WaitBeyondAsync(Content.Length, default));
    }

    [Fact]
    public async Task Bytes_after_a_gap_are_hashed_when_the_gap_is_filled()
    {
        await using var volume = await VolumeRig.OpenAsync();
        await using var part = Open(volume);
        part.AllowGaps();
        var advances = 0;
        part.Advanced += () => advances++;
        await part.WriteAsync(600_000, Content.AsMemory(600_000), default);
        await part.WriteAsync(300_000, Content.AsMemory(300_000, 200_000), default);
        Assert.Equal((0, 0, 0), (part.Position, part.Readable, advances));
        await part.WriteAsync(0, Content.AsMemory(0, 300_000), default);
        Assert.Equal((500_000, 500_000), (part.Position, part.Readable));
        await part.WriteAsync(500_000, Content.AsMemory(500_000, 100_000), default);
        Assert.Equal(Content.Length, part.Position);
        Assert.Equal(OfContent, part.DigestSoFar());
        Assert.True(advances >= 2);
    }

    [Fact]
    public async Task Any_order_of_writes_by_four_writers_yields_the_same_digest()
    {
        for (var seed = 1; seed <= 10; seed++)
        {
            await using var volume = await VolumeRig.OpenAsync();
            await using var part = Open(volume);
            part.AllowGaps();
            var random = new Random(seed);
            var cuts = Enumerable.Range(0, 40).Select(_ => random.Next(1, Content.Length)).Append(0).Append(Content.Length);
            int[] bounds = [.. cuts.Distinct().Order()];
            var ranges = bounds.Zip(bounds.Skip(1)).ToArray();
            random.Shuffle(ranges);
            await Parallel.ForEachAsync(ranges, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (range, stop) =>
                await part.WriteAsync(range.First, Content.AsMemory(range.First, range.Second - range.First), stop));
            await part.HashWrittenAsync(default);
            Assert.Equal(Content.Length, part.Position);
            Assert.Equal(OfContent, part.DigestSoFar());
        }
    }

    [Fact]
    public async Task Part_that_was_closed_with_a_gap_is_resumed_at_the_gap()
    {
        await using var volume = await VolumeRig.OpenAsync();
        await using (var part = Open(volume))
        {
            part.AllowGaps();
            await part.WriteAsync(0, Content.AsMemory(0, 100_000), default);
            await part.WriteAsync(500_000, Content.AsMemory(500_000), default);
            part.CloseGaps();
        }
        await using var again = Open(volume);
        Assert.Equal(100_000, again.EarlierLength);
        await again.HashWrittenAsync(default);
        Assert.Equal(100_000, again.Position);
        await again.WriteAsync(100_000, Content.AsMemory(100_000), default);
        Assert.Equal(OfContent, again.DigestSoFar());
    }

    [Fact]
    public async Task Failure_ends_all_waits_of_readers()
    {
        await using var volume = await VolumeRig.OpenAsync();
        await using var part = Open(volume);
        var waiting = part.WaitBeyondAsync(0, default).AsTask();
        part.Fail(new FetchException(FetchFailure.Unavailable, "no"));
        await Assert.ThrowsAsync<FetchException>(() => waiting);
        await Assert.ThrowsAsync<FetchException>(async () => await part.WaitBeyondAsync(0, default));
    }

    private static PartFile Open(VolumeRig volume)
    {
        var part = new PartFile(OfContent, Content.Length);
        Assert.True(part.TryOpen(volume.Volume.Fetches));
        return part;
    }
}
