using System.Security.Cryptography;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>
/// One client whose requests for one upload session reach gateways at random, while the bucket fails as networks do, and gateways are
/// killed or pause in the middle of a request. What a gateway acknowledged stays, and the blob is whole.
/// </summary>
public sealed class MovedUploadTests : IAsyncLifetime
{
    private const string Name = "team/app";

    private readonly MemoryBucket _memory = new(minPart: 2048);
    private readonly List<VolumeRig> _rigs = [];
    private readonly List<(Task Request, EndedStream Body)> _paused = [];
    private FaultyBucket _bucket = null!;
    private Random _random = null!;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, body) in _paused) body.End();
        foreach (var (request, _) in _paused) await request;
        foreach (var rig in _rigs) await rig.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Upload_survives_faults_of_the_bucket_and_of_gateways(int seed)
    {
        _random = new(seed);
        _bucket = new(_memory, FaultyBucket.Seeded(seed, 0.08));
        for (var i = 0; i < 3; i++) _rigs.Add(await OpenAsync());
        for (var i = 0; i < 4; i++)
        {
            var bytes = new byte[_random.Next(100_000, 400_000)];
            _random.NextBytes(bytes);
            await PushAsync(bytes);
            Assert.Equal(bytes, await StoredAsync(Digest.Of(bytes)));
        }
        Assert.True(_bucket.Faults > 20, $"expected faults, got {_bucket.Faults}");
        // What arrives late changes nothing.
        await _bucket.LandAsync();
    }

    private Task<VolumeRig> OpenAsync() => VolumeRig.OpenAsync(
        openPushed: copies => new BucketContents(_bucket, "", copies, TimeProvider.System, partBytes: 8192));

    private Uploads Any() => _rigs[_random.Next(3)].Volume.Uploads;

    private async Task PushAsync(byte[] bytes)
    {
        var id = await RetryAsync(async () =>
        {
            await using var upload = await Any().OpenAsync(Name, DigestAlgorithm.Sha256, "ci", default);
            return upload.Id;
        });
        for (var acknowledged = 0; acknowledged < bytes.Length;)
        {
            var at = await OffsetAsync(id);
            Assert.InRange(at, acknowledged, bytes.Length);
            var piece = bytes.AsMemory(at, Math.Min(bytes.Length - at, _random.Next(1, 60_000)));
            switch (_random.Next(8))
            {
                case 0:
                    Pause(id, at, piece);
                    break;
                case 1:
                    await KillAsync(id, at, piece);
                    break;
                case 2:
                    acknowledged = Math.Max(
                        acknowledged, (await Task.WhenAll(PatchAsync(Any(), id, at, piece), PatchAsync(Any(), id, at, piece))).Max());
                    break;
                default:
                    acknowledged = Math.Max(acknowledged, await PatchAsync(Any(), id, at, piece));
                    break;
            }
            if (_random.Next(4) == 0) await _bucket.LandAsync(most: 2);
        }
        await RetryAsync(async () =>
        {
            var uploads = Any();
            if (await uploads.FindAsync(Name, id, default) is not { } upload) return true;
            await using (upload)
            {
                if (!await upload.TakeOverAsync(default)) return true;
                Assert.Equal(Digest.Of(bytes), await upload.FinishAsync(DigestAlgorithm.Sha256, default));
                await uploads.PlaceAsync(id, Digest.Of(bytes), default);
                await uploads.EndAsync(id);
            }
            return true;
        });
    }

    private async Task<int> OffsetAsync(string id) => await RetryAsync(async () =>
    {
        await using var upload = await Any().FindAsync(Name, id, default);
        return (int)(upload ?? throw new InvalidOperationException("the session is gone")).Length;
    });

    /// <summary>The number of bytes that were acknowledged; 0 when the request failed.</summary>
    private static async Task<int> PatchAsync(Uploads uploads, string id, int at, ReadOnlyMemory<byte> piece, EndedStream? body = null)
    {
        try
        {
            await using var upload = await uploads.FindAsync(Name, id, default);
            // As Content-Range is checked after the session was taken over.
            if (upload is null || !await upload.TakeOverAsync(default) || upload.Length != at) return 0;
            body ??= new(piece, isEnded: true);
            await upload.AppendAsync(body, default);
            return (int)upload.Length;
        }
        catch (IOException)
        {
            return 0;
        }
    }

    /// <summary>A gateway stops in the middle of a request, and goes on when others have continued the session.</summary>
    private void Pause(string id, int at, ReadOnlyMemory<byte> piece)
    {
        var body = new EndedStream(piece, isEnded: false);
        var uploads = Any();
        _paused.Add((Task.Run(() => PatchAsync(uploads, id, at, piece, body)), body));
        if (_paused.Count > 2) _paused[_random.Next(_paused.Count)].Body.End();
    }

    /// <summary>A gateway is killed in the middle of a request; another one with an empty disk takes its place.</summary>
    private async Task KillAsync(string id, int at, ReadOnlyMemory<byte> piece)
    {
        Pause(id, at, piece);
        // The old one is not stopped: whatever it still sends arrives.
        var killed = _random.Next(3);
        _rigs.Add(_rigs[killed]);
        _rigs[killed] = await OpenAsync();
    }

    private async Task<byte[]> StoredAsync(Digest digest)
    {
        var found = await _memory.GetAsync(
            $"docker/registry/v2/blobs/sha256/{digest.Hex[..2]}/{digest.Hex}/data", 0, null, default);
        return found!.Value.Bytes;
    }

    private static async Task<T> RetryAsync<T>(Func<Task<T>> request)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await request();
            }
            catch (IOException) when (tries < 50)
            {
                await Task.Yield();
            }
        }
    }

    /// <summary>The body of a request, which ends when it is told to.</summary>
    private sealed class EndedStream : MemoryStream
    {
        private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public EndedStream(ReadOnlyMemory<byte> bytes, bool isEnded) : base(bytes.ToArray())
        {
            if (isEnded) End();
        }

        public void End() => _end.TrySetResult();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (await base.ReadAsync(buffer, cancellationToken) is var read and > 0) return read;
            await _end.Task.WaitAsync(cancellationToken);
            return 0;
        }
    }
}
