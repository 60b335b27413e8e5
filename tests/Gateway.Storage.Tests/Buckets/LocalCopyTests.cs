using System.Collections.Concurrent;
using System.Security.Cryptography;
using Gateway.Oci;
using Gateway.Testing;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Pushed content that is in a bucket, and its copies on the local disk.</summary>
public sealed partial class LocalCopyTests : IAsyncLifetime
{
    // Longer than what is verified before its first byte is sent, and than the distance that a reader waits for.
    private static readonly byte[] Bytes = RandomNumberGenerator.GetBytes(9_000_000);
    private static readonly Digest Blob = Digest.Of(Bytes);

    private readonly MemoryBucket _memory = new();
    private readonly ConcurrentQueue<BucketCall> _calls = new();
    private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Func<BucketCall, Fault> _choose = _ => Fault.None;
    private VolumeRig _rig = null!;

    private IContentStore Pushed => _rig.Volume.Content.Of(Lifetime.Pushed);

    private int Opens => _calls.Count(call => call.Verb == BucketVerb.Open);

    private string Copy => _rig.Volume.Roots.Cached.Data(Blob);

    public async ValueTask InitializeAsync()
    {
        var faulty = new FaultyBucket(_memory, Choose, () => new(_gate.Task));
        _rig = await VolumeRig.OpenAsync(openPushed: copies => new BucketContents(faulty, "", copies, TimeProvider.System));
        await _rig.Volume.Eviction.Counted;
        await _memory.PutAsync(Key(Blob), Bytes, PutCondition.None, default);

        Fault Choose(BucketCall call)
        {
            _calls.Enqueue(call);
            return _choose(call);
        }
    }

    private static string Key(Digest digest) => $"docker/registry/v2/blobs/sha256/{digest.Hex[..2]}/{digest.Hex}/data";

    public async ValueTask DisposeAsync()
    {
        _gate.TrySetResult();
        await _rig.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Cold_blob_is_read_from_the_bucket_once_for_many_readers_and_then_from_the_disk()
    {
        var read = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(() => ReadAsync(i * 1000))));
        for (var i = 0; i < read.Length; i++) Assert.True(Bytes.AsSpan(i * 1000).SequenceEqual(read[i]));
        Assert.Equal(1, Opens);
        await CopiedAsync();
        Assert.Equal(Bytes, await File.ReadAllBytesAsync(Copy));
        _calls.Clear();
        var opening = _rig.Volume.Content.OpenAsync(Lifetime.Pushed, Blob, Blob, Bytes.Length, default);
        var isAtOnce = opening.IsCompletedSuccessfully;
        await using (var content = (await opening).Content!) Assert.Equal((true, true), (isAtOnce, content is FileContent));
        Assert.Equal(Bytes, await ReadAsync(0));
        Assert.Empty(_calls);
    }

    [Fact]
    public async Task Content_that_is_only_asked_for_is_not_copied()
    {
        await using (var content = (await Pushed.OpenAsync(Blob, Blob, -1, default)).Content!) Assert.Equal(Bytes.Length, content.Length);
        Assert.Equal(0, Opens);
        Assert.False(File.Exists(Copy));
    }

    [Theory]
    [InlineData(9_000_000)]
    [InlineData(1_000_000)]
    public async Task Bytes_with_another_digest_are_not_sent_to_their_end_and_not_served_again(int length)
    {
        var digest = Digest.Of("other bytes"u8);
        await _memory.PutAsync(Key(digest), Bytes.AsMemory(0, length), PutCondition.None, default);
        var writer = new MemoryBodyWriter();
        await using (var content = (await Pushed.OpenAsync(digest, digest, length, default)).Content!)
            await Assert.ThrowsAsync<InvalidContentException>(async () => await content.CopyToAsync(writer, 0, null, default));
        // Small content is checked before its first byte.
        Assert.True(length < 4 << 20 ? writer.ToArray().Length == 0 : writer.ToArray().Length < length);
        Assert.Equal(new Opened(null, IsUnfit: true), await Pushed.OpenAsync(digest, digest, -1, default));
        Assert.False(File.Exists(_rig.Volume.Roots.Cached.Data(digest)));
        Assert.True((await _rig.Volume.Content.ExamineAsync(digest)).IsDamaged);
    }

    [Fact]
    public async Task Range_far_ahead_does_not_wait_for_the_bytes_before_it()
    {
        var opens = 0;
        // The answer to the copy's request waits for the end of the test.
        _choose = call => call.Verb == BucketVerb.Open && Interlocked.Increment(ref opens) == 1 ? Fault.Delayed : Fault.None;
        var whole = ReadAsync(0);
        await UntilAsync(() => opens == 1, "the copy is asked for");
        await using (var content = (await Pushed.OpenAsync(Blob, Blob, -1, default)).Content!)
        {
            var writer = new MemoryBodyWriter();
            await content.CopyToAsync(writer, 8_000_000, 500_000, default).AsTask().InTimeAsync("the range is sent");
            Assert.True(Bytes.AsSpan(8_000_000, 500_000).SequenceEqual(writer.ToArray()));
        }
        _gate.SetResult();
        Assert.Equal(Bytes, await whole);
        await CopiedAsync();
    }

    [Fact]
    public async Task Copy_whose_connection_breaks_goes_on_where_it_was()
    {
        var opens = 0;
        _choose = call => call.Verb == BucketVerb.Open && Interlocked.Increment(ref opens) <= 3 ? Fault.Cut : Fault.None;
        Assert.Equal(Bytes, await ReadAsync(0));
        Assert.Equal(4, Opens);
        await CopiedAsync();
    }

    [Fact]
    public async Task Bucket_that_is_away_fails_the_reader_and_not_the_next_one()
    {
        _choose = call => call.Verb == BucketVerb.Open ? Fault.Unavailable : Fault.None;
        await Assert.ThrowsAnyAsync<IOException>(() => ReadAsync(0));
        _choose = _ => Fault.None;
        Assert.Equal(Bytes, await ReadAsync(0));
        await CopiedAsync();
    }

    [Fact]
    public async Task Cached_content_does_not_wait_for_a_bucket_that_is_away()
    {
        _choose = _ => Fault.Unavailable;
        var (cached, name) = (_rig.Volume.Repositories.Cached("docker.io", VolumeRig.Name), Digest.Of("not here"u8));
        Assert.Null(await cached.OpenUnlinkedAsync(name, null, default));
        Assert.Null(await _rig.Volume.Content.ReadDocumentAsync(Lifetime.Cached, name, default));
        await Assert.ThrowsAnyAsync<IOException>(
            async () => await _rig.Volume.Pushed(VolumeRig.Name).OpenUnlinkedAsync(name, null, default));
    }

    [Fact]
    public async Task Copies_share_the_limit_of_the_cache_and_are_evicted_as_fetched_content()
    {
        _rig.Volume.Room.Limit(20_000_000, 0);
        var blobs = new List<Digest> { Blob };
        for (var i = 0; i < 3; i++)
        {
            var bytes = RandomNumberGenerator.GetBytes(8_000_000);
            blobs.Add(Digest.Of(bytes));
            await _memory.PutAsync(Key(blobs[^1]), bytes, PutCondition.None, default);
        }
        foreach (var blob in blobs)
        {
            Assert.Equal(blob, Digest.Of(await ReadAsync(0, blob)));
            await CopiedAsync(blob);
            Assert.InRange(_rig.Volume.Eviction.Bytes, 1, 20_000_000);
        }
        Assert.Equal(2, blobs.Count(blob => File.Exists(_rig.Volume.Roots.Cached.Data(blob))));
        Assert.Equal(Bytes, await ReadAsync(0));
    }

    [Fact]
    public async Task Content_that_is_larger_than_the_cache_is_read_without_a_copy()
    {
        _rig.Volume.Room.Limit(1_000_000, 0);
        Assert.Equal(Bytes, await ReadAsync(0));
        Assert.False(File.Exists(Copy));
    }

    [Fact]
    public async Task Copy_that_a_stop_interrupted_is_continued_by_the_next_reader()
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
        var stopping = _rig.RestartAsync();
        _gate.SetResult();
        await stopping;
        // The reader went on by itself, or was stopped with the gateway.
        await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        Assert.Equal(Bytes, await ReadAsync(0));
        await CopiedAsync();
    }

    [Fact]
    public async Task Document_is_read_from_the_bucket_once()
    {
        var manifest = VolumeRig.ManifestOf(Blob, 3);
        await _memory.PutAsync(Key(Digest.Of(manifest)), manifest, PutCondition.None, default);
        Assert.Equal(manifest, await _rig.Volume.Content.ReadDocumentAsync(Lifetime.Pushed, Digest.Of(manifest), default));
        await CopiedAsync(Digest.Of(manifest));
        _calls.Clear();
        Assert.Equal(manifest, await _rig.Volume.Content.ReadDocumentAsync(Lifetime.Pushed, Digest.Of(manifest), default));
        Assert.Empty(_calls);
    }

    [Fact]
    public async Task Pushed_blob_is_on_the_disk_of_the_gateway_that_received_it()
    {
        var bytes = RandomNumberGenerator.GetBytes(20_000_000);
        var digest = await VolumeRig.PushBlobAsync(_rig.Volume.Pushed(VolumeRig.Name), bytes);
        await CopiedAsync(digest);
        _calls.Clear();
        Assert.Equal(bytes, await ReadAsync(0, digest));
        Assert.Empty(_calls);
        Assert.Equal(bytes.Length, (await _memory.HeadAsync(Key(digest), default))!.Value.Length);
    }

    [Fact]
    public async Task Collection_leaves_copies_to_the_eviction()
    {
        await ReadAsync(0);
        await CopiedAsync();
        File.SetLastWriteTimeUtc(Copy, DateTime.UtcNow.AddDays(-30));
        var report = await _rig.Volume.Collector.RunAsync(new(false, null, new HashSet<string>()), static _ => { }, default);
        Assert.Equal(0, report.Roots.Sum(static root => root.Contents));
        Assert.True(File.Exists(Copy));
    }

    private async Task<byte[]> ReadAsync(long offset, Digest? blob = null)
    {
        var opened = await _rig.Volume.Content.OpenAsync(Lifetime.Pushed, blob ?? Blob, blob ?? Blob, -1, default);
        await using var content = opened.Content!;
        var writer = new MemoryBodyWriter();
        await content.CopyToAsync(writer, offset, null, default);
        return writer.ToArray();
    }

    private Task CopiedAsync(Digest? blob = null) =>
        UntilAsync(() => File.Exists(_rig.Volume.Roots.Cached.Data(blob ?? Blob)), "the copy is in the cached root");

    private static Task UntilAsync(Func<bool> condition, string awaited) =>
        Patience.UntilAsync(() => Task.FromResult(condition()), () => awaited);
}
