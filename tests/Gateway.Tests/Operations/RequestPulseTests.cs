using Gateway.Operations;
using Xunit;

namespace Gateway.Tests.Operations;

public sealed class RequestPulseTests
{
    [Fact]
    public void Ring_says_below_which_time_most_answers_were()
    {
        var ring = new LatencyRing(6);
        foreach (var milliseconds in Enumerable.Range(1, 100)) ring.Note(60_000_000, TimeSpan.FromMilliseconds(milliseconds));

        var view = ring.View(60_000_000)!;

        Assert.Equal(100, view.Requests);
        // A bucket is a quarter of a power of two wide.
        Assert.InRange(view.P50, 50, 50 * 1.25);
        Assert.InRange(view.P95, 95, 95 * 1.25);
        Assert.InRange(view.P99, 99, 99 * 1.25);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(250)]
    [InlineData(1_000_000)]
    [InlineData(100_000_000)]
    public void Ring_takes_times_of_every_size(long microseconds)
    {
        var ring = new LatencyRing(6);
        ring.Note(60_000_000, TimeSpan.FromMicroseconds(microseconds));

        Assert.InRange(ring.View(60_000_000)!.P50 * 1000, microseconds, Math.Max(5, microseconds * 1.25));
    }

    [Fact]
    public void Times_of_earlier_minutes_end()
    {
        var ring = new LatencyRing(6);
        ring.Note(60_000_000, TimeSpan.FromMilliseconds(1));
        ring.Note(60_000_000 + (3 * 60_000), TimeSpan.FromMilliseconds(1));

        Assert.Equal(2, ring.View(60_000_000 + (5 * 60_000))!.Requests);
        Assert.Equal(1, ring.View(60_000_000 + (6 * 60_000))!.Requests);
        Assert.Null(ring.View(60_000_000 + (9 * 60_000)));
        // The slot of the first minute begins again.
        ring.Note(60_000_000 + (6 * 60_000), TimeSpan.FromMilliseconds(1));
        Assert.Equal(2, ring.View(60_000_000 + (6 * 60_000))!.Requests);
    }

    /// <summary>Warm pulls may allocate nothing for it (see WorkTests).</summary>
    [Fact]
    public void Finished_request_allocates_nothing()
    {
        using var rig = new PullCountsRig();
        var (pulse, counts) = (new RequestPulse(), rig.Start());
        var record = Record("team/app", "v1");
        for (var i = 0; i < 1000; i++) Note();
        var before = GC.GetAllocatedBytesForCurrentThread();

        for (var i = 0; i < 1000; i++) Note();

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Note()
        {
            pulse.Note(record);
            counts.Note(record, "team/app");
        }
    }

    internal static RequestRecord Record(string repository, string reference, string method = "GET", int status = 200)
    {
        var record = new RequestRecord(DateTimeOffset.UnixEpoch, method)
        {
            Route = "manifest", Repository = repository, Reference = reference,
        };
        record.Began();
        record.Ended(status);
        return record;
    }
}
