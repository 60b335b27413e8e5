using System.Collections.Concurrent;
using System.Security.Cryptography;
using Gateway.Oci;
using Gateway.Testing;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Upload sessions of several gateways on one bucket.</summary>
public sealed class BucketUploadTests : IAsyncLifetime
{
    private const string Name = "team/app";

    // A part is longer than what a session object has itself, and a blob has several.
    private const int Part = 256 * 1024;

    private readonly AdvancedClock _clock = new();
    private readonly ConcurrentQueue<BucketCall> _calls = new();
    private readonly List<VolumeRig> _rigs = [];
    private MemoryBucket _memory = null!;

    public async ValueTask InitializeAsync()
    {
        _memory = new(minPart: 100 * 1024, time: _clock);
        var counted = new FaultyBucket(_memory, call =>
        {
            _calls.Enqueue(call);
            return Fault.None;
        });
        for (var i = 0; i < 3; i++)
        {
            _rigs.Add(await VolumeRig.OpenAsync(
                _clock, copies => new BucketContents(counted, "", copies, _clock, partBytes: Part)));
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var rig in _rigs) await rig.DisposeAsync();
        Assert.Equal(0, _memory.OpenUploads);
        GC.SuppressFinalize(this);
    }

    private async Task<string> BeginAsync(int on)
    {
        await using var upload = await _rigs[on].Volume.Uploads.OpenAsync(Name, DigestAlgorithm.Sha256, "ci", default);
        return upload.Id;
    }

    private async Task<Upload> TakeOverAsync(int on, string id)
    {
        var upload = (await _rigs[on].Volume.Uploads.FindAsync(Name, id, default))!;
        Assert.True(await upload.TakeOverAsync(default));
        return upload;
    }

    private async Task<long> PatchAsync(int on, string id, ReadOnlyMemory<byte> bytes)
    {
        await using var upload = await TakeOverAsync(on, id);
        Assert.True(await upload.AppendAsync(new MemoryStream(bytes.ToArray()), default));
        return upload.Length;
    }

    /// <summary>As a commit does: the bytes, then the change, then the end of the session.</summary>
    private async Task<Digest> CloseAsync(int on, string id)
    {
        await using var upload = await TakeOverAsync(on, id);
        var digest = await upload.FinishAsync(DigestAlgorithm.Sha256, default);
        await _rigs[on].Volume.Uploads.PlaceAsync(id, digest, default);
        await _rigs[on].Volume.Uploads.EndAsync(id);
        return digest;
    }

    private async Task<byte[]?> StoredAsync(byte[] bytes) =>
        await _rigs[0].Volume.Content.Of(Lifetime.Pushed).ReadAsync(Digest.Of(bytes), bytes.Length, default);

    [Theory]
    [InlineData(10)]
    [InlineData(70_000)]
    [InlineData(1_500_000)]
    public async Task Upload_is_begun_continued_and_closed_by_three_gateways(int length)
    {
        var bytes = RandomNumberGenerator.GetBytes(length);
        var id = await BeginAsync(0);
        Assert.Equal(length, await PatchAsync(1, id, bytes));
        _calls.Clear();
        Assert.Equal(Digest.Of(bytes), await CloseAsync(2, id));
        Assert.Equal(bytes, await StoredAsync(bytes));
        // The store copies a long blob; a short one is read once. No byte is read for the digest.
        Assert.InRange(_calls.Count(call => call.Verb == BucketVerb.Open), 0, length is > 65_536 and <= Part ? 1 : 0);
        Assert.DoesNotContain(_memory.Keys, key => key.Contains("uploads", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Short_blob_takes_no_multipart_upload_and_no_chunk()
    {
        var bytes = RandomNumberGenerator.GetBytes(3000);
        var id = await BeginAsync(0);
        await PatchAsync(0, id, bytes);
        await CloseAsync(0, id);
        Assert.DoesNotContain(_calls, call => call.Verb is BucketVerb.CreateMultipart or BucketVerb.Open);
        // The session when it begins and when bytes were received, and the blob.
        Assert.Equal(3, _calls.Count(call => call.Verb == BucketVerb.Put));
    }

    [Fact]
    public async Task Upload_of_many_short_pieces_on_all_gateways_is_whole()
    {
        var bytes = RandomNumberGenerator.GetBytes(900_000);
        var (id, at) = (await BeginAsync(0), 0);
        for (var i = 0; at < bytes.Length; i++)
        {
            var count = Math.Min(bytes.Length - at, i % 5 * 23_456);
            Assert.Equal(at + count, await PatchAsync(i % 3, id, bytes.AsMemory(at, count)));
            at += count;
        }
        Assert.Equal(Digest.Of(bytes), await CloseAsync(1, id));
        Assert.Equal(bytes, await StoredAsync(bytes));
    }

    [Theory]
    [InlineData(50_000)]
    [InlineData(700_000)]
    public async Task Later_request_on_another_gateway_wins(int length)
    {
        var id = await BeginAsync(0);
        await using var first = await TakeOverAsync(0, id);
        var slow = new SlowStream(new byte[length]);
        var appending = first.AppendAsync(slow, default).AsTask();
        await slow.IsRead.InTimeAsync("the first request has sent its bytes");
        var bytes = RandomNumberGenerator.GetBytes(100_000);
        Assert.Equal(bytes.Length, await PatchAsync(1, id, bytes));
        slow.End();
        await Assert.ThrowsAsync<UploadTakenOverException>(() => appending);
        await first.DisposeAsync();
        // The first gateway has nothing left of its own bytes.
        var more = RandomNumberGenerator.GetBytes(100_000);
        Assert.Equal(200_000, await PatchAsync(0, id, more));
        Assert.Equal(Digest.Of([.. bytes, .. more]), await CloseAsync(0, id));
    }

    [Fact]
    public async Task What_a_client_sent_before_it_broke_off_is_there_on_another_gateway()
    {
        var bytes = RandomNumberGenerator.GetBytes(700_000);
        var id = await BeginAsync(0);
        await using (var upload = await TakeOverAsync(0, id))
        {
            var broken = new BrokenStream(bytes[..600_000]);
            await Assert.ThrowsAsync<IOException>(async () => await upload.AppendAsync(broken, default));
        }
        // All but the last piece, which was not received whole.
        var length = (int)(await _rigs[1].Volume.Uploads.FindAsync(Name, id, default))!.Length;
        Assert.InRange(length, 500_000, 600_000);
        Assert.Equal(700_000, await PatchAsync(1, id, bytes.AsMemory(length)));
        Assert.Equal(Digest.Of(bytes), await CloseAsync(1, id));
    }

    [Fact]
    public async Task Gateway_that_is_killed_loses_nothing_that_was_acknowledged()
    {
        var bytes = RandomNumberGenerator.GetBytes(700_000);
        var id = await BeginAsync(0);
        await PatchAsync(0, id, bytes.AsMemory(0, 300_000));
        await using (var dying = await TakeOverAsync(0, id))
        {
            var slow = new SlowStream(new byte[400_000]);
            _ = dying.AppendAsync(slow, default).AsTask();
            await slow.IsRead.InTimeAsync("bytes are on their way");
            Assert.Equal(300_000, (await _rigs[1].Volume.Uploads.FindAsync(Name, id, default))!.Length);
            Assert.Equal(700_000, await PatchAsync(1, id, bytes.AsMemory(300_000)));
            slow.End();
        }
        Assert.Equal(Digest.Of(bytes), await CloseAsync(2, id));
    }

    [Fact]
    public async Task Closing_twice_on_two_gateways_stores_the_blob_once()
    {
        var bytes = RandomNumberGenerator.GetBytes(700_000);
        var id = await BeginAsync(0);
        await PatchAsync(0, id, bytes);
        await using (var early = await TakeOverAsync(2, id))
        {
            await CloseAsync(1, id);
            await _rigs[2].Volume.Uploads.PlaceAsync(id, Digest.Of(bytes), default);
            await _rigs[2].Volume.Uploads.EndAsync(id);
        }
        Assert.Null(await _rigs[2].Volume.Uploads.FindAsync(Name, id, default));
        Assert.Equal(bytes, await StoredAsync(bytes));
    }

    [Fact]
    public async Task Idle_session_is_removed_by_any_gateway()
    {
        var id = await BeginAsync(0);
        await PatchAsync(0, id, new byte[500_000]);
        _clock.Advance(TimeSpan.FromDays(6));
        await _rigs[1].Volume.Uploads.SweepAsync(default);
        Assert.NotNull(await _rigs[2].Volume.Uploads.FindAsync(Name, id, default));
        _clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal(1, await _rigs[1].Volume.Uploads.CountExpiredAsync(default));
        await _rigs[1].Volume.Uploads.SweepAsync(default);
        Assert.Null(await _rigs[0].Volume.Uploads.FindAsync(Name, id, default));
        Assert.DoesNotContain(_memory.Keys, key => key.Contains("uploads", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Chunks_without_a_session_are_removed()
    {
        await _memory.PutAsync("gateway/uploads/abc/1", new byte[5], PutCondition.None, default);
        await _rigs[0].Volume.Uploads.SweepAsync(default);
        Assert.Contains("gateway/uploads/abc/1", _memory.Keys);
        _clock.Advance(TimeSpan.FromMinutes(2));
        await _rigs[0].Volume.Uploads.SweepAsync(default);
        Assert.DoesNotContain("gateway/uploads/abc/1", _memory.Keys);
    }

    [Fact]
    public async Task Session_of_a_newer_version_is_refused_and_no_sweep_removes_it()
    {
        var id = new string('a', 32);
        string[] keys = [$"gateway/uploads/{id}/chunk", $"gateway/uploads/{id}/session"];
        await _memory.PutAsync(keys[0], new byte[5], PutCondition.None, default);
        await _memory.PutAsync(keys[1], "{\"Format\":2,\"Parts\":[]}"u8.ToArray(), PutCondition.None, default);
        _clock.Advance(TimeSpan.FromDays(8));
        var old = await BeginAsync(1);
        _clock.Advance(TimeSpan.FromDays(8));
        Assert.Equal(1, await _rigs[0].Volume.Uploads.CountExpiredAsync(default));
        await _rigs[0].Volume.Uploads.SweepAsync(default);
        Assert.Null(await _rigs[0].Volume.Uploads.FindAsync(Name, old, default));
        Assert.Equal(keys, _memory.Keys.Where(key => key.Contains(id, StringComparison.Ordinal)));
        var refused = await Assert.ThrowsAsync<NewerRecordException>(
            async () => await _rigs[0].Volume.Uploads.FindAsync(Name, id, default));
        Assert.Contains("expected an upload session of format 1, got 2", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Session_that_was_written_before_the_format_had_a_number_is_continued()
    {
        var id = await BeginAsync(0);
        await PatchAsync(0, id, new byte[1000]);
        var key = $"gateway/uploads/{id}/session";
        var text = System.Text.Encoding.UTF8.GetString((await _memory.ReadAsync(key, 100_000, null, default)).Bytes.Span);
        Assert.Contains(",\"Format\":1", text, StringComparison.Ordinal);
        text = text.Replace(",\"Format\":1", "", StringComparison.Ordinal);
        await _memory.PutAsync(key, System.Text.Encoding.UTF8.GetBytes(text), PutCondition.None, default);
        Assert.Equal(3000, await PatchAsync(1, id, new byte[2000]));
    }

    [Fact]
    public async Task Limits_count_the_sessions_of_other_gateways()
    {
        foreach (var rig in _rigs) rig.Volume.Uploads.Limits = new(3, 3, 3, TimeSpan.FromDays(7));
        var ids = new[] { await BeginAsync(0), await BeginAsync(1), await BeginAsync(1) };
        await _rigs[0].Volume.Uploads.SweepAsync(default);
        Assert.Equal(3, _rigs[0].Volume.Uploads.Count);
        await Assert.ThrowsAsync<TooManyUploadsException>(() => BeginAsync(0));
        await _rigs[1].Volume.Uploads.EndAsync(ids[1]);
        _clock.Advance(TimeSpan.FromMinutes(2));
        await BeginAsync(0);
    }

    /// <summary>Sends bytes, and ends when it is told to.</summary>
    private sealed class SlowStream(byte[] bytes) : MemoryStream(bytes)
    {
        private readonly TaskCompletionSource _read = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task IsRead => _read.Task;

        public void End() => _end.TrySetResult();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (await base.ReadAsync(buffer, cancellationToken) is var read and > 0) return read;
            _read.TrySetResult();
            await _end.Task.WaitAsync(cancellationToken);
            return 0;
        }
    }

    private sealed class BrokenStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Position == Length ? throw new IOException("connection reset") : base.ReadAsync(buffer, cancellationToken);
    }
}
