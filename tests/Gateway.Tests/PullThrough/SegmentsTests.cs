using Gateway.PullThrough;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Who fetches which bytes: never two the same, never too far ahead, and all of them in the end.</summary>
public sealed class SegmentsTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public void Any_order_of_taking_writing_and_letting_go_gives_each_byte_out_once_at_a_time()
    {
        for (var seed = 1; seed <= 200; seed++) Run(seed);
    }

    private static void Run(int seed)
    {
        var random = new Random(seed);
        var length = random.NextInt64(8 * MiB, 600 * MiB);
        var start = random.NextInt64(0, 4 * MiB);
        var hashed = start;
        var segments = new Segments(length, start, () => hashed);
        var written = new List<(long From, long To)>();
        var taken = new List<Segment>();
        for (var steps = 0; !segments.IsDone; steps++)
        {
            Assert.True(steps < 100_000, $"seed {seed}: no end");
            if (taken.Count < 4 && segments.TryTake(all: taken.Count == 0 && random.Next(20) == 0) is { } segment)
            {
                Assert.DoesNotContain(taken, t => t.Position < segment.End && segment.Position < t.End);
                Assert.True(segment.Start < hashed + Segments.Window);
                taken.Add(segment);
            }
            else if (taken.Count > 0)
            {
                Step(taken[random.Next(taken.Count)]);
            }
            hashed = segments.Contiguous();
            segments.Hashed();
        }
        Assert.Equal(length, hashed);
        Assert.True(segments.IsGivenOut);
        var at = start;
        foreach (var (from, to) in written.Order())
        {
            Assert.Equal(at, from);
            at = to;
        }
        Assert.Equal(length, at);

        void Step(Segment segment)
        {
            var count = (int)Math.Min(random.Next(1, 3 * MiB), segment.End - segment.Position);
            written.Add((segment.Position, segment.Position + count));
            segments.Wrote(segment, count);
            if (!segment.IsDone && random.Next(10) > 0) return;
            segments.Release(segment);
            taken.Remove(segment);
        }
    }

    [Fact]
    public void Contiguous_ends_at_the_first_byte_that_is_missing()
    {
        long hashed = 10;
        var segments = new Segments(100 * MiB, 20, () => hashed);
        var (first, second) = (segments.TryTake(all: false)!, segments.TryTake(all: false)!);
        segments.Wrote(second, 1000);
        Assert.Equal(10, segments.Contiguous());
        hashed = 20;
        Assert.Equal(20, segments.Contiguous());
        segments.Wrote(first, (int)(first.End - first.Start));
        Assert.Equal(second.Start + 1000, segments.Contiguous());
        Assert.Same(second, segments.First());
    }

    [Fact]
    public void Nothing_is_given_out_beyond_the_window_until_it_moves()
    {
        long hashed = 0;
        var segments = new Segments(10_000L * MiB, 0, () => hashed);
        while (segments.TryTake(all: false) is { } segment) Assert.True(segment.End <= Segments.Window);
        Assert.False(segments.IsGivenOut);
        var changed = segments.Changed;
        hashed = 1;
        segments.Hashed();
        Assert.True(changed.IsCompleted);
        Assert.NotNull(segments.TryTake(all: false));
    }
}
