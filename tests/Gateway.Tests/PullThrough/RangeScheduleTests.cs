using Gateway.PullThrough;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>
/// Which connection fetches which bytes: no byte is fetched by two at a time, none lies beyond the window, and all are fetched in the end.
/// </summary>
public sealed class RangeScheduleTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public void No_byte_is_assigned_to_two_connections_in_any_order_of_taking_writing_and_releasing()
    {
        for (var seed = 1; seed <= 200; seed++) Run(seed);
    }

    private static void Run(int seed)
    {
        var random = new Random(seed);
        var length = random.NextInt64(16 * MiB, 600 * MiB);
        var start = random.NextInt64(0, 4 * MiB);
        var hashed = start;
        var schedule = new RangeSchedule(start, () => hashed);
        var written = new List<(long From, long To)>();
        var proposed = schedule.Propose(random.Next(8 * MiB), length);
        if (proposed is null) return;
        Assert.True(schedule.TrySplit(proposed, length), $"seed {seed}: no split");
        var taken = new List<Segment> { schedule.Line, proposed };
        for (var steps = 0; !schedule.IsDone; steps++)
        {
            Assert.True(steps < 100_000, $"seed {seed}: no end");
            if (taken.Count < 4 && schedule.TryTake(all: taken.Count == 0 && random.Next(20) == 0) is { } segment)
            {
                Assert.DoesNotContain(taken, t => t.Position < segment.End && segment.Position < t.End);
                Assert.True(segment.Start < hashed + RangeSchedule.Window);
                taken.Add(segment);
            }
            else if (taken.Count > 0)
            {
                Step(taken[random.Next(taken.Count)]);
            }
            hashed = Contiguous();
            schedule.Advance();
        }
        Assert.Equal(length, hashed);
        Assert.True(schedule.IsGivenOut);
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
            schedule.Wrote(segment, count);
            if (!segment.IsDone && random.Next(10) > 0) return;
            schedule.Release(segment);
            taken.Remove(segment);
        }

        long Contiguous()
        {
            var end = start;
            foreach (var (from, to) in written.Order()) end = from == end ? to : end;
            return end;
        }
    }

    [Fact]
    public void Split_fails_when_the_first_connection_has_nearly_reached_the_proposed_segment()
    {
        var schedule = new RangeSchedule(0, () => 0);
        var proposed = schedule.Propose(ahead: 0, 100 * MiB)!;
        Assert.Equal(4 * MiB, proposed.Start);
        schedule.Wrote(schedule.Line, (3 * MiB) + 1);
        Assert.False(schedule.TrySplit(proposed, 100 * MiB));
        Assert.Null(schedule.EndOf(schedule.Line));
        Assert.False(schedule.IsSplit);
    }

    [Fact]
    public void Nothing_is_proposed_when_the_rest_arrives_within_a_second_or_is_smaller_than_a_segment()
    {
        var schedule = new RangeSchedule(0, () => 0);
        Assert.Null(schedule.Propose(ahead: 97 * MiB, 100 * MiB));
        Assert.NotNull(schedule.Propose(ahead: 96 * MiB, 100 * MiB));
        Assert.False(RangeSchedule.IsWorthHelping(rate: 50 * MiB, rest: 50 * MiB));
        Assert.True(RangeSchedule.IsWorthHelping(rate: 50 * MiB, rest: 51 * MiB));
        Assert.False(RangeSchedule.IsWorthHelping(rate: 256 * MiB, rest: 1000L * MiB));
    }

    [Fact]
    public void First_is_the_segment_with_the_first_missing_byte()
    {
        var schedule = new RangeSchedule(0, () => 0);
        var second = schedule.Propose(0, 100 * MiB)!;
        schedule.TrySplit(second, 100 * MiB);
        Assert.Same(schedule.Line, schedule.First());
        schedule.Wrote(schedule.Line, (int)schedule.Line.End);
        schedule.Wrote(second, 1000);
        Assert.Same(second, schedule.First());
    }

    [Fact]
    public void Bytes_beyond_the_window_are_not_assigned_until_it_moves()
    {
        long hashed = 0;
        var schedule = new RangeSchedule(0, () => hashed);
        schedule.TrySplit(schedule.Propose(0, 10_000L * MiB)!, 10_000L * MiB);
        while (schedule.TryTake(all: false) is { } segment) Assert.True(segment.End <= RangeSchedule.Window + RangeSchedule.Largest);
        Assert.False(schedule.IsGivenOut);
        var changed = schedule.Changed;
        hashed = RangeSchedule.Largest;
        schedule.Advance();
        Assert.True(changed.IsCompleted);
        Assert.NotNull(schedule.TryTake(all: false));
    }

    [Fact]
    public void Released_segment_is_assigned_again_from_its_first_missing_byte()
    {
        var schedule = new RangeSchedule(0, () => 0);
        var second = schedule.Propose(0, 100 * MiB)!;
        schedule.TrySplit(second, 100 * MiB);
        var end = second.End;
        schedule.Wrote(second, 1000);
        schedule.Release(second);
        var again = schedule.TryTake(all: false)!;
        Assert.Equal((4 * MiB) + 1000, again.Start);
        Assert.Equal(end, again.End);
    }
}
