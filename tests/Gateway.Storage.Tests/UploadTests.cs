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
    public async Task A_session_goes_on_after_a_kill_where_it_stopped()
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
    public async Task A_session_belongs_to_its_repository()
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
    public async Task What_is_no_session_id_finds_nothing(string id) => Assert.Null(await Repository.FindUploadAsync(id, default));

    [Fact]
    public async Task What_arrived_before_the_client_broke_off_stays_received()
    {
        await using var upload = await Repository.OpenUploadAsync(DigestAlgorithm.Sha256, "tester", default);
        await Assert.ThrowsAsync<IOException>(async () => await upload!.AppendAsync(new BrokenStream(600_000), default));
        Assert.True(upload!.Length >= 512 * 1024, $"{upload.Length} bytes");
        Assert.Equal(Digest.Of(new byte[upload.Length]), await upload.FinishAsync(DigestAlgorithm.Sha256, default));
    }

    [Fact]
    public async Task A_cancelled_session_leaves_nothing()
    {
        var id = await OpenAsync([1, 2, 3]);
        await using (var upload = await Repository.FindUploadAsync(id, default)) upload!.Cancel();
        Assert.Null(await Repository.FindUploadAsync(id, default));
        Assert.Empty(Directory.GetFiles(Path.Combine(_rig.Path, "gateway/uploads")));
        Assert.Equal(0, _rig.Volume.Uploads.Count);
    }

    [Fact]
    public async Task A_session_whose_client_hung_up_before_it_was_open_leaves_nothing_and_does_not_count()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await Repository.OpenUploadAsync(DigestAlgorithm.Sha256, "tester", new(canceled: true)));
        Assert.Empty(Directory.GetFiles(Path.Combine(_rig.Path, "gateway/uploads")));
        Assert.Equal(0, _rig.Volume.Uploads.Count);
    }

    [Fact]
    public async Task A_finished_session_is_gone_and_counts_no_more()
    {
        await VolumeRig.PushBlobAsync(Repository, [1, 2, 3]);
        Assert.Empty(Directory.GetFiles(Path.Combine(_rig.Path, "gateway/uploads")));
        Assert.Equal(0, _rig.Volume.Uploads.Count);
    }

    [Fact]
    public async Task A_session_is_taken_over_when_the_one_before_has_let_go_of_it()
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
    public async Task A_session_that_has_ended_meanwhile_is_not_taken_over()
    {
        var id = await OpenAsync([1]);
        await using var late = await Repository.FindUploadAsync(id, default);
        await using (var upload = await Repository.FindUploadAsync(id, default))
        {
            Assert.True(await upload!.TakeOverAsync(default));
            upload.Cancel();
        }
        Assert.False(await late!.TakeOverAsync(default));
        Assert.Null(await Repository.FindUploadAsync(id, default));
    }

    /// <summary>Gives nothing until whoever reads gives up.</summary>
    private sealed class SilentStream : MemoryStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            return 0;
        }
    }

    /// <summary>Gives zeros, then fails as a connection does.</summary>
    private sealed class BrokenStream(int length) : MemoryStream(new byte[length])
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Position == Length ? throw new IOException("connection reset") : base.ReadAsync(buffer, cancellationToken);
    }

    [Fact]
    public async Task A_session_that_is_taken_up_again_after_a_try_that_broke_off_has_the_hash_of_its_bytes()
    {
        var bytes = RandomNumberGenerator.GetBytes(300_000);
        var id = await OpenAsync(bytes);
        using var file = File.OpenHandle(Path.Combine(_rig.Path, "gateway/uploads", id + ".data"));
        using var session = new UploadSession(id, new("team/app", "tester", "sha256", DateTimeOffset.UtcNow));
        session.Hash.AppendData(bytes.AsSpan(0, 1000));
        await session.TakeUpAsync(file, default);
        Assert.Equal(Digest.Of(bytes), Digest.FromHash(DigestAlgorithm.Sha256, session.Hash.GetCurrentHash()));
    }
}
