using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Wrong bytes in the bucket never reach a reader whole; and what an answer says of its source.</summary>
public sealed partial class LocalCopyTests
{
    [Theory]
    [InlineData(9_000_000)]
    [InlineData(1_000_000)]
    public async Task Bytes_with_another_digest_are_not_sent_to_their_end_without_room_for_a_copy(int length)
    {
        _rig.Volume.Room.Limit(1_000, 0);
        var digest = Digest.Of("other bytes"u8);
        await _memory.PutAsync(Key(digest), Bytes.AsMemory(0, length), PutCondition.None, default);
        var writer = new MemoryBodyWriter();
        await using (var content = (await Pushed.OpenAsync(digest, digest, length, default)).Content!)
            await Assert.ThrowsAsync<InvalidContentException>(async () => await content.CopyToAsync(writer, 0, null, default));
        Assert.Equal(length - 1, writer.ToArray().Length);
        Assert.Equal(new Opened(null, IsUnfit: true), await Pushed.OpenAsync(digest, digest, -1, default));
        // Bytes that are put in their place count again.
        await Pushed.PutAsync(digest, "other bytes"u8.ToArray(), Put.Durable, default);
        Assert.Equal("other bytes"u8.ToArray(), await ReadAsync(0, digest));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reader_whose_copy_fails_midway_gets_the_last_byte_only_of_right_bytes(bool isDamaged)
    {
        var digest = isDamaged ? Digest.Of("other bytes"u8) : Blob;
        if (isDamaged) await _memory.PutAsync(Key(digest), Bytes, PutCondition.None, default);
        var opens = 0;
        // The copy gets half of the bytes, and gives up after five answers that have none; the reader goes on by itself.
        _choose = call => call.Verb != BucketVerb.Open ? Fault.None : Interlocked.Increment(ref opens) switch
        {
            1 => Fault.Cut,
            <= 5 => Fault.Unavailable,
            _ => Fault.None,
        };
        var writer = new MemoryBodyWriter();
        await using var content = (await Pushed.OpenAsync(digest, digest, -1, default)).Content!;
        var reading = content.CopyToAsync(writer, 0, null, default).AsTask();
        if (isDamaged) await Assert.ThrowsAsync<InvalidContentException>(() => reading);
        else await reading;
        Assert.Equal(isDamaged ? Bytes.Length - 1 : Bytes.Length, writer.ToArray().Length);
        Assert.True(Bytes.AsSpan().StartsWith(writer.ToArray()));
    }

    [Fact]
    public async Task Bytes_that_replaced_damaged_ones_while_a_copy_was_made_are_not_called_damaged()
    {
        var wrong = Bytes.ToArray();
        wrong[0]++;
        await _memory.PutAsync(Key(Blob), wrong, PutCondition.None, default);
        var opens = 0;
        _choose = call => call.Verb != BucketVerb.Open ? Fault.None : Interlocked.Increment(ref opens) switch
        {
            1 => Fault.Cut,
            2 => Fault.Delayed,
            _ => Fault.None,
        };
        var reading = ReadAsync(0);
        await UntilAsync(() => opens == 2, "the copy asks for the rest");
        await _memory.PutAsync(Key(Blob), Bytes, PutCondition.None, default);
        _gate.SetResult();
        await Assert.ThrowsAsync<InvalidContentException>(() => reading);
        Assert.Equal(Bytes, await ReadAsync(0));
    }

    [Fact]
    public async Task Upstream_that_sends_wrong_bytes_of_the_same_digest_changes_no_copy_that_was_checked()
    {
        var opens = 0;
        _choose = call => call.Verb != BucketVerb.Open ? Fault.None : Interlocked.Increment(ref opens) switch
        {
            1 => Fault.Cut,
            2 => Fault.Delayed,
            _ => Fault.None,
        };
        var reading = ReadAsync(0);
        await UntilAsync(() => opens == 2, "the copy asks for the rest");
        // The bucket did not say that it has the content, so an upstream that vouches for it is asked too.
        await using var fetch = _rig.Volume.Fetches.Open(Blob, Bytes.Length)!;
        fetch.Write(0, new byte[Bytes.Length]);
        _gate.SetResult();
        Assert.Equal(Bytes, await reading);
        await CopiedAsync();
        fetch.Write(0, new byte[Bytes.Length]);
        Assert.Equal(Bytes, await File.ReadAllBytesAsync(Copy));
    }

    [Fact]
    public async Task Blob_is_read_from_the_bucket_while_slow_copies_have_all_places()
    {
        var slow = Enumerable.Range(0, 64).Select(i => BitConverter.GetBytes(i)).ToArray();
        foreach (var bytes in slow) await _memory.PutAsync(Key(Digest.Of(bytes)), bytes, PutCondition.None, default);
        _choose = call => call.Verb == BucketVerb.Open && call.Key != Key(Blob) ? Fault.Delayed : Fault.None;
        var reading = slow.Select(bytes => ReadAsync(0, Digest.Of(bytes))).ToArray();
        await UntilAsync(() => Opens == slow.Length, "all places are in use");

        Assert.Equal(Bytes, await ReadAsync(0).InTimeAsync("the blob is read"));

        Assert.False(File.Exists(Copy));
        _gate.SetResult();
        Assert.Equal(slow, await Task.WhenAll(reading));
    }

    [Fact]
    public async Task Answer_says_whether_a_blob_came_from_the_bucket()
    {
        var repository = _rig.Volume.Pushed(VolumeRig.Name);
        await repository.CommitAsync(new([new Operation.LinkBlob(Blob, Bytes.Length)]), default);
        var fromBucket = new CacheHandling { Forward = ForwardReason.Absent, Detail = CacheDetail.Bucket };
        Assert.Equal(fromBucket, await HandlingAsync(BlobUse.Head));
        Assert.Equal(fromBucket with { Stored = true }, await HandlingAsync(BlobUse.Whole));
        _choose = call => call.Verb == BucketVerb.Open ? Fault.Delayed : Fault.None;
        var reading = ReadAsync(0);
        await UntilAsync(() => Opens == 1, "the copy is asked for");
        Assert.Equal(fromBucket with { Collapsed = true }, await HandlingAsync(BlobUse.Whole));
        _gate.SetResult();
        await reading;
        await CopiedAsync();
        Assert.Equal(CacheHandling.Hit, await HandlingAsync(BlobUse.Whole));

        async Task<CacheHandling> HandlingAsync(BlobUse use)
        {
            var found = Assert.IsType<Result<IContent>.Found>(await repository.OpenBlobAsync(Blob, use, default));
            await found.Value.DisposeAsync();
            return found.Handling;
        }
    }
}
