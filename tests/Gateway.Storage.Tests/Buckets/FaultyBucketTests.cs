using System.Text;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class FaultyBucketTests
{
    private readonly MemoryBucket _inner = new();

    [Fact]
    public async Task Write_whose_answer_is_lost_is_done()
    {
        var bucket = new FaultyBucket(_inner, _ => Fault.AnswerLost);
        await Assert.ThrowsAsync<IOException>(async () => await bucket.PutAsync("a", "1"u8.ToArray(), PutCondition.Absent, default));
        Assert.Equal(["a"], _inner.Keys);
    }

    [Fact]
    public async Task Refusal_whose_answer_is_lost_is_not_told_from_a_write_that_was_done()
    {
        await _inner.PutAsync("a", "1"u8.ToArray(), PutCondition.None, default);
        var bucket = new FaultyBucket(_inner, _ => Fault.AnswerLost);
        await Assert.ThrowsAsync<IOException>(async () => await bucket.PutAsync("a", "2"u8.ToArray(), PutCondition.Absent, default));
    }

    [Fact]
    public async Task Late_write_lands_with_the_bytes_that_were_sent_and_checks_its_condition_then()
    {
        var bytes = "1"u8.ToArray();
        var bucket = new FaultyBucket(_inner, _ => Fault.LandsLate);
        await Assert.ThrowsAsync<IOException>(async () => await bucket.PutAsync("a", bytes, PutCondition.Absent, default));
        await Assert.ThrowsAsync<IOException>(async () => await bucket.PutAsync("a", "2"u8.ToArray(), PutCondition.Absent, default));
        bytes[0] = 0;
        Assert.Empty(_inner.Keys);
        await bucket.LandAsync();
        Assert.Equal("1", Encoding.UTF8.GetString((await _inner.ReadAsync("a", 10, null, default)).Bytes.Span));
        Assert.Equal(0, bucket.LateWrites);
    }

    [Fact]
    public async Task Unavailable_store_does_nothing()
    {
        var bucket = new FaultyBucket(_inner, _ => Fault.Unavailable);
        await Assert.ThrowsAsync<IOException>(async () => await bucket.PutAsync("a", "1"u8.ToArray(), PutCondition.Absent, default));
        await Assert.ThrowsAsync<IOException>(async () => await bucket.HeadAsync("a", default));
        Assert.Empty(_inner.Keys);
    }

    [Fact]
    public async Task Cut_body_fails_after_half_of_the_bytes()
    {
        await _inner.PutAsync("a", new byte[100], PutCondition.None, default);
        var bucket = new FaultyBucket(_inner, _ => Fault.Cut);
        await using var body = (await bucket.OpenAsync("a", 0, null, default))!;
        using var read = new MemoryStream();
        await Assert.ThrowsAsync<IOException>(async () => await body.Bytes.CopyToAsync(read));
        Assert.Equal(50, read.Length);
    }

    [Fact]
    public async Task Stale_list_lacks_keys()
    {
        foreach (var key in (string[])["a", "b", "c", "d"]) await _inner.PutAsync(key, default, PutCondition.None, default);
        Assert.Equal(["b", "c"], await new FaultyBucket(_inner, _ => Fault.StaleList).KeysAsync(""));
    }

    [Fact]
    public void Same_seed_chooses_the_same_faults()
    {
        var (one, other) = (FaultyBucket.Seeded(7, 0.5), FaultyBucket.Seeded(7, 0.5));
        var faults = Enumerable.Range(0, 100).Select(_ => one(default)).ToList();
        Assert.Equal(faults, Enumerable.Range(0, 100).Select(_ => other(default)));
        Assert.Contains(Fault.None, faults);
        Assert.True(faults.Distinct().Count() > 4);
    }
}
