using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>What every bucket does, in memory or in a store.</summary>
public abstract class BucketSuite : IAsyncLifetime
{
    /// <summary>A bucket with no keys below the prefix "", of which this test alone knows.</summary>
    private protected abstract IBucket Bucket { get; }

    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    private ValueTask<string> PutAsync(string key, byte[] bytes, PutCondition condition = default) =>
        Bucket.PutAsync(key, bytes, condition, default);

    private ValueTask<string> PutAsync(string key, string text, PutCondition condition = default) =>
        PutAsync(key, System.Text.Encoding.UTF8.GetBytes(text), condition);

    private async Task<string?> TextAsync(string key) =>
        await Bucket.GetAsync(key, 0, null, default) is var (bytes, _) ? System.Text.Encoding.UTF8.GetString(bytes) : null;

    private static byte[] Random(int length)
    {
        var bytes = new byte[length];
        System.Random.Shared.NextBytes(bytes);
        return bytes;
    }

    [Fact]
    public async Task Object_is_read_as_it_was_written()
    {
        var etag = await PutAsync("a/b", "hello");
        Assert.StartsWith("\"", etag);
        Assert.Equal((etag, 5L), await Bucket.HeadAsync("a/b", default) is { } found ? (found.ETag, found.Length) : default);
        var small = await Bucket.ReadAsync("a/b", 5, null, default);
        Assert.Equal((etag, "hello"), (small.ETag, System.Text.Encoding.UTF8.GetString(small.Bytes.Span)));
        Assert.Equal("hello", await TextAsync("a/b"));
    }

    [Fact]
    public async Task Time_of_a_write_is_that_of_the_store()
    {
        await PutAsync("a", "1");
        var written = (await Bucket.HeadAsync("a", default))!.Value.Written;
        Assert.InRange(DateTimeOffset.UtcNow - written, TimeSpan.FromMinutes(-5), TimeSpan.FromMinutes(5));
    }

    [Fact]
    public async Task Object_that_does_not_exist_is_absent_for_every_read()
    {
        Assert.Null(await Bucket.HeadAsync("none", default));
        Assert.Null((await Bucket.ReadAsync("none", 10, null, default)).ETag);
        Assert.Null((await Bucket.ReadAsync("none", 10, "\"x\"", default)).ETag);
        Assert.Null(await Bucket.OpenAsync("none", 0, null, default));
        await Bucket.DeleteAsync("none", default);
    }

    [Fact]
    public async Task Deleted_object_is_absent()
    {
        await PutAsync("a", "1");
        await Bucket.DeleteAsync("a", default);
        Assert.Null(await Bucket.HeadAsync("a", default));
        Assert.Empty(await Bucket.KeysAsync(""));
    }

    [Fact]
    public async Task Empty_object_exists()
    {
        await PutAsync("empty", []);
        Assert.Equal(0, (await Bucket.HeadAsync("empty", default))!.Value.Length);
        Assert.Equal("", await TextAsync("empty"));
        Assert.True((await Bucket.ReadAsync("empty", 0, null, default)).Bytes.IsEmpty);
    }

    [Fact]
    public async Task Read_of_an_unchanged_object_says_so_and_that_of_a_changed_one_has_the_bytes()
    {
        var first = await PutAsync("a", "1");
        Assert.True((await Bucket.ReadAsync("a", 10, first, default)).IsUnchanged);
        var second = await PutAsync("a", "2");
        Assert.NotEqual(first, second);
        var read = await Bucket.ReadAsync("a", 10, first, default);
        Assert.Equal((second, false, 1), (read.ETag, read.IsUnchanged, read.Bytes.Length));
    }

    [Fact]
    public async Task Small_object_that_is_too_long_is_refused()
    {
        await PutAsync("a", "123456");
        await Assert.ThrowsAsync<InvalidDataException>(async () => await Bucket.ReadAsync("a", 5, null, default));
    }

    [Theory]
    [InlineData(0, null, 0, 100)]
    [InlineData(10, null, 10, 90)]
    [InlineData(10, 20L, 10, 20)]
    [InlineData(90, 50L, 90, 10)]
    [InlineData(99, 1L, 99, 1)]
    [InlineData(100, null, 0, 0)]
    [InlineData(100, 5L, 0, 0)]
    [InlineData(10, 0L, 0, 0)]
    public async Task Range_is_read(int offset, long? count, int from, int length)
    {
        var bytes = Random(100);
        var etag = await PutAsync("a", bytes);
        await using var body = (await Bucket.OpenAsync("a", offset, count, default))!;
        using var read = new MemoryStream();
        await body.Bytes.CopyToAsync(read);
        Assert.Equal(bytes[from..(from + length)], read.ToArray());
        Assert.Equal((etag, 100L), (body.Facts.ETag, body.Facts.Length));
    }

    [Fact]
    public async Task Create_if_absent_succeeds_once()
    {
        await PutAsync("a", "1", PutCondition.Absent);
        await Assert.ThrowsAsync<PreconditionFailedException>(async () => await PutAsync("a", "2", PutCondition.Absent));
        Assert.Equal("1", await TextAsync("a"));
    }

    [Fact]
    public async Task Replacing_needs_the_right_ETag()
    {
        var first = await PutAsync("a", "1");
        var second = await PutAsync("a", "2", PutCondition.Match(first));
        await Assert.ThrowsAsync<PreconditionFailedException>(async () => await PutAsync("a", "3", PutCondition.Match(first)));
        Assert.Equal("2", await TextAsync("a"));
        await PutAsync("a", "4", PutCondition.Match(second));
        Assert.Equal("4", await TextAsync("a"));
    }

    [Fact]
    public async Task Replacing_what_does_not_exist_is_refused()
    {
        var etag = await PutAsync("a", "1");
        await Bucket.DeleteAsync("a", default);
        await Assert.ThrowsAsync<PreconditionFailedException>(async () => await PutAsync("a", "2", PutCondition.Match(etag)));
        Assert.Null(await TextAsync("a"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task One_of_several_racing_writers_succeeds(bool isNew)
    {
        var condition = isNew ? PutCondition.Absent : PutCondition.Match(await PutAsync("a", "0"));
        var won = await Task.WhenAll(Enumerable.Range(1, 8).Select(i => Task.Run(async () =>
        {
            try
            {
                await PutAsync("a", $"{i}", condition);
                return i;
            }
            catch (PreconditionFailedException)
            {
                return 0;
            }
        })));
        Assert.Equal($"{Assert.Single(won, i => i != 0)}", await TextAsync("a"));
    }

    [Fact]
    public async Task Keys_are_listed_in_bytewise_order_with_their_facts()
    {
        var etag = await PutAsync("p/b", "12");
        foreach (var key in (string[])["p/a/x", "p/a-", "p/\uFFFD", "p/\U0001F600", "p/Z", "q", "p"]) await PutAsync(key, "1");
        Assert.Equal(["p/Z", "p/a-", "p/a/x", "p/b", "p/\uFFFD", "p/\U0001F600"], await Bucket.KeysAsync("p/"));
        Assert.Equal(["p/b", "p/\uFFFD", "p/\U0001F600"], await Bucket.KeysAsync("p/", after: "p/a/x"));
        Assert.Equal(["p/b", "p/\uFFFD", "p/\U0001F600"], await Bucket.KeysAsync("p/", after: "p/a~"));
        Assert.Empty(await Bucket.KeysAsync("p/", after: "p0"));
        await foreach (var found in Bucket.ListAsync("p/b", null, default))
            Assert.Equal(("p/b", etag, 2L), (found.Key, found.Facts.ETag, found.Facts.Length));
    }

    [Fact]
    public async Task List_of_more_than_one_page_is_complete()
    {
        var keys = Enumerable.Range(0, 1_050).Select(i => $"many/{i:0000}").ToList();
        await Parallel.ForEachAsync(keys, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (key, _) => await PutAsync(key, []));
        Assert.Equal(keys, await Bucket.KeysAsync("many/"));
        Assert.Equal(keys[11..], await Bucket.KeysAsync("many/", "many/0010"));
    }

    [Theory]
    [InlineData("a b+c")]
    [InlineData("ä/日本/\U0001F600")]
    [InlineData("a//b")]
    [InlineData("a/../b")]
    [InlineData("a%2Fb&c=d?e#f")]
    [InlineData("sha256:0123'\"<>")]
    public async Task Key_with_unusual_characters_is_kept(string key)
    {
        await PutAsync(key, "1", PutCondition.Absent);
        Assert.Equal("1", await TextAsync(key));
        Assert.NotNull(await Bucket.HeadAsync(key, default));
        Assert.Equal([key], await Bucket.KeysAsync(key[..1]));
        await Bucket.DeleteAsync(key, default);
        Assert.Null(await Bucket.HeadAsync(key, default));
    }

    [Fact]
    public async Task Parts_in_the_order_of_their_numbers_become_one_object()
    {
        var (first, last) = (Random(Bucket.MinPart), Random(100));
        var id = await Bucket.CreateMultipartAsync("big", default);
        var two = await Bucket.UploadPartAsync("big", id, 7, last, default);
        var one = await Bucket.UploadPartAsync("big", id, 3, first, default);
        Assert.Null(await Bucket.HeadAsync("big", default));
        await Bucket.CompleteMultipartAsync("big", id, [(3, one), (7, two)], default);
        byte[] whole = [.. first, .. last];
        Assert.Equal(whole, (await Bucket.GetAsync("big", 0, null, default))!.Value.Bytes);
        Assert.Equal(whole[^105..^95], (await Bucket.GetAsync("big", first.Length - 5, 10, default))!.Value.Bytes);
    }

    [Fact]
    public async Task Part_that_is_too_small_is_refused()
    {
        var id = await Bucket.CreateMultipartAsync("big", default);
        var one = await Bucket.UploadPartAsync("big", id, 1, Random(10), default);
        var two = await Bucket.UploadPartAsync("big", id, 2, Random(10), default);
        await Assert.ThrowsAnyAsync<IOException>(
            async () => await Bucket.CompleteMultipartAsync("big", id, [(1, one), (2, two)], default));
        Assert.Null(await Bucket.HeadAsync("big", default));
        await Bucket.AbortMultipartAsync("big", id, default);
    }

    [Fact]
    public async Task Parts_are_copied_from_other_objects()
    {
        var source = Random(Bucket.MinPart * 2);
        await PutAsync("from+1", source);
        await PutAsync("small", "end");
        var id = await Bucket.CreateMultipartAsync("to", default);
        var one = await Bucket.CopyPartAsync("to", id, 1, "from+1", default);
        var two = await Bucket.CopyPartAsync("to", id, 2, "small", default);
        await Bucket.CompleteMultipartAsync("to", id, [(1, one), (2, two)], default);
        byte[] whole = [.. source, .. "end"u8];
        Assert.Equal(whole, (await Bucket.GetAsync("to", 0, null, default))!.Value.Bytes);
    }

    [Fact]
    public async Task Aborted_upload_leaves_nothing_and_cannot_be_completed()
    {
        var id = await Bucket.CreateMultipartAsync("big", default);
        var one = await Bucket.UploadPartAsync("big", id, 1, Random(10), default);
        await Bucket.AbortMultipartAsync("big", id, default);
        await Bucket.AbortMultipartAsync("big", id, default);
        await Assert.ThrowsAnyAsync<IOException>(async () => await Bucket.CompleteMultipartAsync("big", id, [(1, one)], default));
        Assert.Empty(await Bucket.KeysAsync(""));
    }

    [Fact]
    public async Task Canceled_call_ends_with_its_cancellation()
    {
        using var canceled = new CancellationTokenSource();
        await canceled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Bucket.HeadAsync("a", canceled.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await Bucket.PutAsync("a", default, PutCondition.None, canceled.Token));
    }
}

public sealed class MemoryBucketTests : BucketSuite
{
    private protected override IBucket Bucket { get; } = new MemoryBucket();
}
