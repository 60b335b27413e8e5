using System.Security.Cryptography;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class UploadTests : IAsyncLifetime
{
    private VolumeRig _rig = null!;

    private StoredRepository Repository => _rig.Volume.Pushed(VolumeRig.Name);

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private async Task<string> OpenAsync(params byte[][] chunks)
    {
        await using var upload = await Repository.OpenUploadAsync(DigestAlgorithm.Sha256, "tester", default);
        foreach (var chunk in chunks) await upload!.AppendAsync(new MemoryStream(chunk), default);
        return upload!.Id;
    }

    [Fact]
    public async Task Upload_session_continues_after_a_kill_where_it_stopped()
    {
        var bytes = RandomNumberGenerator.GetBytes(700_000);
        var id = await OpenAsync(bytes[..300_000]);
        await _rig.KillAsync();
        await using var upload = await Repository.FindUploadAsync(id, default);
        Assert.Equal(300_000, upload!.Length);
        Assert.True(await upload.TakeOverAsync(default));
        Assert.Equal(300_000, upload.Length);
        await upload.AppendAsync(new MemoryStream(bytes[300_000..]), default);
        Assert.Equal(Digest.Of(bytes), await upload.FinishAsync(DigestAlgorithm.Sha256, default));
        Assert.Equal(Digest.Of(bytes, DigestAlgorithm.Sha512), await upload.FinishAsync(DigestAlgorithm.Sha512, default));
    }

    [Fact]
    public async Task Upload_session_belongs_to_its_repository()
    {
        var id = await OpenAsync([1]);
        Assert.Null(await _rig.Volume.Pushed(RepositoryName.Parse("other")).FindUploadAsync(id, default));
        await using var found = await Repository.FindUploadAsync(id, default);
        Assert.NotNull(found);
    }

    [Theory]
    [InlineData("../../lock")]
    [InlineData("0123456789abcdef0123456789abcde")]
    [InlineData("0123456789ABCDEF0123456789ABCDEF")]
    [InlineData("")]
    public async Task Invalid_session_id_finds_no_session(string id) => Assert.Null(await Repository.FindUploadAsync(id, default));

    [Fact]
    public async Task Bytes_received_before_the_client_disconnected_are_kept()
    {
        await using var upload = await Repository.OpenUploadAsync(DigestAlgorithm.Sha256, "tester", default);
        await Assert.ThrowsAsync<IOException>(async () => await upload!.AppendAsync(new BrokenStream(600_000), default));
        Assert.True(upload!.Length >= 512 * 1024, $"{upload.Length} bytes");
        Assert.Equal(Digest.Of(new byte[upload.Length]), await upload.FinishAsync(DigestAlgorithm.Sha256, default));
    }

    [Fact]
    public async Task Canceled_session_leaves_no_files()
    {
        var id = await OpenAsync([1, 2, 3]);
        await using (var upload = await Repository.FindUploadAsync(id, default)) await upload!.CancelAsync();
        Assert.Null(await Repository.FindUploadAsync(id, default));
        Assert.Empty(Directory.GetFiles(Path.Combine(_rig.Path, "gateway/uploads")));
        Assert.Equal(0, _rig.Volume.Uploads.Count);
    }

    [Fact]
    public async Task Old_session_is_not_removed_while_a_request_holds_it_or_after_it_was_finished()
    {
        var id = await OpenAsync([1, 2, 3]);
        var data = Path.Combine(_rig.Path, $"gateway/uploads/{id}.data");
        File.SetLastWriteTimeUtc(data, DateTime.UtcNow.AddDays(-8));
        var upload = await Repository.FindUploadAsync(id, default);
        Assert.True(await upload!.TakeOverAsync(default));
        await _rig.Volume.Uploads.SweepAsync(default);
        Assert.True(File.Exists(data));
        Assert.Equal(Digest.Of([1, 2, 3]), await upload.FinishAsync(DigestAlgorithm.Sha256, default));
        await upload.DisposeAsync();
        await _rig.Volume.Uploads.SweepAsync(default);
        Assert.True(File.Exists(data));
        File.SetLastWriteTimeUtc(data, DateTime.UtcNow.AddDays(-8));
        await _rig.Volume.Uploads.SweepAsync(default);
        Assert.Null(await Repository.FindUploadAsync(id, default));
        Assert.Equal(0, _rig.Volume.Uploads.Count);
    }

    [Fact]
    public async Task Blob_whose_bytes_are_gone_before_the_commit_is_refused()
    {
        await using var upload = await Repository.OpenUploadAsync(DigestAlgorithm.Sha256, "tester", default);
        await upload!.AppendAsync(new MemoryStream([1, 2, 3]), default);
        var digest = await upload.FinishAsync(DigestAlgorithm.Sha256, default);
        await upload.CancelAsync();
        var change = new Change([new Operation.LinkBlob(digest, 3, upload.Id)]);
        Assert.Equal(new CommitResult.Missing(digest), await Repository.CommitAsync(change, default));
        Assert.Null(Repository.FindLink(LinkKind.Blob, digest));
    }

    [Fact]
    public async Task Session_whose_client_disconnected_during_the_opening_leaves_no_files_and_is_not_counted()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await Repository.OpenUploadAsync(DigestAlgorithm.Sha256, "tester", new(canceled: true)));
        Assert.Empty(Directory.GetFiles(Path.Combine(_rig.Path, "gateway/uploads")));
        Assert.Equal(0, _rig.Volume.Uploads.Count);
    }

    [Fact]
    public async Task Finished_session_leaves_no_files_and_is_not_counted()
    {
        await VolumeRig.PushBlobAsync(Repository, [1, 2, 3]);
        Assert.Empty(Directory.GetFiles(Path.Combine(_rig.Path, "gateway/uploads")));
        Assert.Equal(0, _rig.Volume.Uploads.Count);
    }

    [Fact]
    public async Task Session_is_taken_over_after_the_earlier_request_has_released_it()
    {
        var id = await OpenAsync();
        var first = await Repository.FindUploadAsync(id, default);
        Assert.True(await first!.TakeOverAsync(default));
        await first.AppendAsync(new MemoryStream(new byte[10]), default);
        await using var second = await Repository.FindUploadAsync(id, default);
        Assert.Equal(10, second!.Length);

        var taken = second.TakeOverAsync(default).AsTask();
        Assert.False(taken.IsCompleted);
        await Assert.ThrowsAsync<UploadTakenOverException>(async () => await first.AppendAsync(new SilentStream(), default));
        await first.DisposeAsync();
        Assert.True(await taken);
        Assert.Equal(10, second.Length);
    }

    [Fact]
    public async Task Session_that_has_ended_cannot_be_taken_over()
    {
        var id = await OpenAsync([1]);
        await using var late = await Repository.FindUploadAsync(id, default);
        await using (var upload = await Repository.FindUploadAsync(id, default))
        {
            Assert.True(await upload!.TakeOverAsync(default));
            await upload.CancelAsync();
        }
        Assert.False(await late!.TakeOverAsync(default));
        Assert.Null(await Repository.FindUploadAsync(id, default));
    }

    /// <summary>A stream without bytes, whose read ends only when the reader cancels it.</summary>
    private sealed class SilentStream : MemoryStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            return 0;
        }
    }

    /// <summary>A stream of zeros that then fails as a connection does.</summary>
    private sealed class BrokenStream(int length) : MemoryStream(new byte[length])
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Position == Length ? throw new IOException("connection reset") : base.ReadAsync(buffer, cancellationToken);
    }

    [Fact]
    public async Task Session_resumed_after_an_interrupted_hash_has_the_hash_of_its_bytes()
    {
        var bytes = RandomNumberGenerator.GetBytes(300_000);
        var id = await OpenAsync(bytes);
        await using var data = await _rig.Volume.Content.Of(Lifetime.Pushed).OpenUploadAsync(id, -1, default);
        using var session = new UploadSession(id, new("team/app", "tester", "sha256", DateTimeOffset.UtcNow));
        await Assert.ThrowsAsync<IOException>(async () => await session.CatchUpAsync(new BrokenData(data!), default));
        await session.CatchUpAsync(data!, default);
        Assert.Equal(Digest.Of(bytes), Digest.FromHash(DigestAlgorithm.Sha256, session.Hash.GetCurrentHash()));
    }

    /// <summary>The bytes of an upload, which cannot be read to their end.</summary>
    private sealed class BrokenData(IUploadData data) : IUploadData
    {
        public long Length => data.Length;

        public Digest? Noted => null;

        public async ValueTask ReadAsync(long from, Action<ReadOnlyMemory<byte>> use, CancellationToken cancellationToken)
        {
            await data.ReadAsync(from, bytes => use(bytes[..1000]), cancellationToken);
            throw new IOException("connection reset");
        }

        public ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask NoteAsync(Func<Digest> digest, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask FlushAsync() => throw new NotSupportedException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
