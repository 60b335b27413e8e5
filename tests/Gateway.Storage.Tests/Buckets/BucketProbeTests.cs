using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class BucketProbeTests(S3Servers servers)
{
    private readonly MemoryBucket _memory = new();

    private static Task<BucketReport> ProbeAsync(IBucket bucket, TimeProvider? clock = null) =>
        BucketProbe.RunAsync(bucket, "registry/", clock ?? TimeProvider.System, default);

    [Fact]
    public async Task Store_with_conditional_writes_is_good_and_has_no_key_of_the_probe_afterwards()
    {
        var report = await ProbeAsync(_memory);
        Assert.Equal((BucketState.Good, "", false), (report.State, report.Problem, report.IsClockOff));
        Assert.Empty(_memory.Keys);
        Assert.Equal(0, _memory.OpenUploads);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Server_of_the_rig_is_good(bool isCeph)
    {
        var server = await (isCeph ? servers.CephAsync() : servers.MotoAsync());
        Assert.SkipWhen(server is null, "GATEWAY_RIG names no folder with this S3 server");
        var folder = Directory.CreateTempSubdirectory("gateway-s3-keys-");
        try
        {
            var options = server!.OptionsFor(await server.NewBucketAsync(), folder);
            var report = await BucketProbe.RunAsync(options, TimeProvider.System, NullLogger.Instance, default);
            Assert.Equal((BucketState.Good, ""), (report.State, report.Problem));
            Assert.InRange(report.Skew.TotalSeconds, -5, 5);
            using var bucket = S3Bucket.Open(options, TimeProvider.System, NullLogger.Instance);
            Assert.Empty(await bucket.KeysAsync(""));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData(ConditionSupport.Ignored, "expected If-None-Match: * to refuse an object that exists, got success")]
    [InlineData(ConditionSupport.MatchRefused, "expected If-Match with the object's ETag to replace it, got a refusal")]
    [InlineData(ConditionSupport.MatchIgnored, "expected If-Match with an earlier ETag to be refused, got success")]
    [InlineData(ConditionSupport.Raced, "expected one of 8 racing conditional writes to succeed (create), got ")]
    internal async Task Store_without_conditional_writes_is_refused_with_the_reason(ConditionSupport conditions, string expected)
    {
        _memory.Conditions = conditions;
        var report = await ProbeAsync(_memory);
        Assert.Equal(BucketState.Refused, report.State);
        Assert.StartsWith(expected, report.Problem);
        Assert.Empty(_memory.Keys);
    }

    [Fact]
    public async Task Stale_list_is_refused()
    {
        var bucket = new FaultyBucket(_memory, call => call.Verb == BucketVerb.List ? Fault.StaleList : Fault.None);
        var report = await ProbeAsync(bucket);
        Assert.Equal(
            (BucketState.Refused, "expected a list to show the write before it, got an earlier state"), (report.State, report.Problem));
    }

    [Fact]
    public async Task Store_that_does_not_answer_is_neither_good_nor_refused()
    {
        var report = await ProbeAsync(new FaultyBucket(_memory, _ => Fault.Unavailable));
        Assert.Equal(BucketState.Unreachable, report.State);
        Assert.Contains("503", report.Problem);
    }

    [Theory]
    [InlineData(10, true)]
    [InlineData(-10, true)]
    [InlineData(1, false)]
    public async Task Clock_that_differs_from_the_stores_is_reported(int minutes, bool isOff)
    {
        var report = await ProbeAsync(_memory, new Shifted(TimeSpan.FromMinutes(minutes)));
        Assert.Equal(isOff, report.IsClockOff);
        Assert.InRange(report.Skew.TotalMinutes, minutes - 0.5, minutes + 0.5);
    }

    [Fact]
    public async Task Refused_store_is_not_opened()
    {
        _memory.Conditions = ConditionSupport.MatchRefused;
        var refused = await Assert.ThrowsAsync<BucketException>(
            () => ProbedBucket.OpenAsync(_memory, "", TimeProvider.System, NullLogger.Instance, default));
        Assert.StartsWith(
            "storage.s3: expected If-Match with the object's ETag to replace it, got a refusal; use a store", refused.Message);
    }

    [Fact]
    public async Task Store_that_was_away_at_the_start_is_read_at_once_and_written_after_a_probe()
    {
        await _memory.PutAsync("a", "1"u8.ToArray(), PutCondition.None, default);
        var (isAway, clock) = (true, new Shifted(TimeSpan.Zero));
        var faulty = new FaultyBucket(_memory, call => isAway && call.IsWrite ? Fault.Unavailable : Fault.None);
        using var bucket = await ProbedBucket.OpenAsync(faulty, "", clock, NullLogger.Instance, default);
        Assert.NotNull(await bucket.HeadAsync("a", default));
        isAway = false;
        await Assert.ThrowsAsync<BucketException>(async () => await bucket.PutAsync("b", default, PutCondition.None, default));
        clock.Passed = TimeSpan.FromSeconds(5);
        await bucket.PutAsync("b", default, PutCondition.None, default);
        Assert.Equal(["a", "b"], _memory.Keys);
    }

    [Fact]
    public async Task Store_that_is_found_unfit_after_the_start_is_never_written()
    {
        var (isAway, clock) = (true, new Shifted(TimeSpan.Zero));
        var faulty = new FaultyBucket(_memory, _ => isAway ? Fault.Unavailable : Fault.None);
        _memory.Conditions = ConditionSupport.Ignored;
        using var bucket = await ProbedBucket.OpenAsync(faulty, "", clock, NullLogger.Instance, default);
        (isAway, clock.Passed) = (false, TimeSpan.FromSeconds(5));
        for (var i = 0; i < 2; i++)
        {
            var refused = await Assert.ThrowsAsync<BucketException>(
                async () => await bucket.PutAsync("b", default, PutCondition.None, default));
            Assert.Contains("the store ignores the condition", refused.Message);
        }
        Assert.Empty(_memory.Keys);
    }

    /// <summary>A clock that is ahead of the system's by a fixed time.</summary>
    private sealed class Shifted(TimeSpan ahead) : TimeProvider
    {
        public TimeSpan Passed { get; set; }

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UtcNow + ahead + Passed;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Passed.Ticks;
    }
}
