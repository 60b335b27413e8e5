using System.Security.Cryptography;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Two gateways that serve requests for one upload session at the same time.</summary>
public sealed class RacingUploadTests : IAsyncLifetime
{
    private const string Name = "team/app";

    private readonly MemoryBucket _bucket = new(minPart: 2048);
    private VolumeRig _one = null!;
    private VolumeRig _two = null!;

    public async ValueTask InitializeAsync() => (_one, _two) = (await OpenAsync(), await OpenAsync());

    public async ValueTask DisposeAsync()
    {
        await _one.DisposeAsync();
        await _two.DisposeAsync();
    }

    private Task<VolumeRig> OpenAsync() => VolumeRig.OpenAsync(
        openPushed: copies => new BucketContents(_bucket, "", copies, TimeProvider.System, partBytes: 8192));

    private static string DataOf(Digest digest) => $"docker/registry/v2/blobs/{digest.AlgorithmName}/{digest.Hex[..2]}/{digest.Hex}/data";

    private static async Task AppendAsync(Uploads uploads, string id, byte[] bytes)
    {
        await using var upload = (await uploads.FindAsync(Name, id, default))!;
        Assert.True(await upload.TakeOverAsync(default));
        await upload.AppendAsync(new MemoryStream(bytes), default);
    }

    [Theory]
    [InlineData(1_000, DigestAlgorithm.Sha256)]
    [InlineData(5_000, DigestAlgorithm.Sha512)]
    [InlineData(50_000, DigestAlgorithm.Sha256)]
    [InlineData(50_000, DigestAlgorithm.Sha512)]
    public async Task Bytes_that_another_gateway_appends_during_the_closing_request_never_get_the_digest(
        int length, DigestAlgorithm algorithm)
    {
        var bytes = RandomNumberGenerator.GetBytes(length);
        var digest = Digest.Of(bytes, algorithm);
        // The blob exists: others depend on it.
        await _bucket.PutAsync(DataOf(digest), bytes, PutCondition.None, default);
        string id;
        await using (var opened = await _one.Volume.Uploads.OpenAsync(Name, DigestAlgorithm.Sha256, "ci", default))
        {
            id = opened.Id;
            await opened.AppendAsync(new MemoryStream(bytes), default);
        }
        await using (var closing = (await _one.Volume.Uploads.FindAsync(Name, id, default))!)
        {
            Assert.True(await closing.TakeOverAsync(default));
            Assert.Equal(digest, await closing.FinishAsync(algorithm, default));
            await AppendAsync(_two.Volume.Uploads, id, [1, 2, 3]);
            await Assert.ThrowsAsync<UploadTakenOverException>(async () => await _one.Volume.Uploads.PlaceAsync(id, digest, default));
        }
        Assert.Equal(bytes, (await _bucket.ReadAsync(DataOf(digest), 1 << 20, null, default)).Bytes.ToArray());
    }

    /// <summary>Pushes and places bytes as a commit does that is refused afterwards, appends more, and cancels the session.</summary>
    private async Task<Digest> PlaceAndCancelAsync(byte[] bytes, byte[] more)
    {
        var uploads = _one.Volume.Uploads;
        await using var upload = await uploads.OpenAsync(Name, DigestAlgorithm.Sha256, "ci", default);
        await upload.AppendAsync(new MemoryStream(bytes), default);
        var digest = await upload.FinishAsync(DigestAlgorithm.Sha256, default);
        await uploads.PlaceAsync(upload.Id, digest, default);
        if (more.Length > 0) await upload.AppendAsync(new MemoryStream(more), default);
        await upload.CancelAsync();
        return digest;
    }

    [Fact]
    public async Task Bytes_after_the_ones_that_were_placed_never_become_the_local_copy()
    {
        var longer = await PlaceAndCancelAsync(RandomNumberGenerator.GetBytes(5_000), [1, 2, 3]);
        var whole = await PlaceAndCancelAsync(RandomNumberGenerator.GetBytes(5_000), []);
        await Patience.UntilAsync(async () => await CopyOfAsync(whole) is not null, () => "the later upload becomes a local copy");
        Assert.Null(await CopyOfAsync(longer));

        ValueTask<long?> CopyOfAsync(Digest digest) => _one.Volume.Content.Of(Lifetime.Cached).FindAsync(digest, -1, default);
    }

    [Theory]
    [InlineData(0, DigestAlgorithm.Sha256)]
    [InlineData(0, DigestAlgorithm.Sha512)]
    [InlineData(50_000, DigestAlgorithm.Sha512)]
    public async Task Upload_is_placed_under_a_digest_that_its_session_did_not_note(int length, DigestAlgorithm algorithm)
    {
        var bytes = RandomNumberGenerator.GetBytes(length);
        var digest = Digest.Of(bytes, algorithm);
        await using var upload = await _one.Volume.Uploads.OpenAsync(Name, DigestAlgorithm.Sha256, "ci", default);
        await upload.AppendAsync(new MemoryStream(bytes), default);
        Assert.Equal(digest, await upload.FinishAsync(algorithm, default));
        await _two.Volume.Uploads.PlaceAsync(upload.Id, digest, default);
        Assert.Equal(bytes, (await _bucket.ReadAsync(DataOf(digest), 1 << 20, null, default)).Bytes.ToArray());
    }


    [Fact]
    public async Task Chunks_of_a_long_upload_are_removed_many_at_a_time_while_the_client_waits()
    {
        const int Part = 128 * 1024;
        var memory = new MemoryBucket(minPart: 2048);
        var (gate, removing) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), 0);
        var slow = new FaultyBucket(
            memory,
            call =>
            {
                if (call.Verb != BucketVerb.Delete || call.Key.EndsWith("/session", StringComparison.Ordinal)) return Fault.None;
                Interlocked.Increment(ref removing);
                return Fault.Delayed;
            },
            () => new(gate.Task));
        await using var rig = await VolumeRig.OpenAsync(
            openPushed: copies => new BucketContents(slow, "", copies, TimeProvider.System, partBytes: Part));

        var pushing = VolumeRig.PushBlobAsync(rig.Volume.Pushed(VolumeRig.Name), new byte[12 * Part]);
        await Patience.UntilAsync(
            () => Task.FromResult(Volatile.Read(ref removing) >= 10), () => $"10 removals at the same time, got {removing}");
        gate.SetResult();

        await pushing;
        Assert.DoesNotContain(memory.Keys, key => key.Contains("uploads", StringComparison.Ordinal));
    }
}
