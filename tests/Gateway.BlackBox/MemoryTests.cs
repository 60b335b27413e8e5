using System.Net;
using System.Security.Cryptography;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>The gateway's peak of resident memory does not depend on how large a blob is.</summary>
public sealed class MemoryTests
{
    /// <summary>Peer figures: docker-registry peaks at 186 MB in the same uses; .NET's own floor is near 100 MB.</summary>
    private const long PeakLimit = 300L << 20;

    /// <summary>A sixteenth of what the larger blob has more: buffers and the collector's mood, and no copy of the blob.</summary>
    private const long GrowthLimit = 60L << 20;

    [Fact]
    public async Task A_gibibyte_is_pushed_and_pulled_in_the_memory_that_64_MiB_take()
    {
        var small = await PeakAsync(64L << 20);
        var large = await PeakAsync(1L << 30);

        TestContext.Current.TestOutputHelper!.WriteLine($"peak {small >> 20} MiB with 64 MiB, {large >> 20} MiB with 1 GiB");
        Assert.True(large < PeakLimit, $"peak of {large >> 20} MiB with 1 GiB");
        Assert.True(large - small < GrowthLimit, $"peak of {small >> 20} MiB with 64 MiB, {large >> 20} MiB with 1 GiB");
    }

    private static async Task<long> PeakAsync(long length)
    {
        var digest = "sha256:" + Convert.ToHexStringLower(await SHA256.HashDataAsync(new RepeatedNoise(length)));
        await using var gateway = await GatewayProcess.StartAsync();
        using var raw = new RawClient(gateway.Host);
        using var content = new StreamContent(new RepeatedNoise(length), 1 << 16);
        content.Headers.ContentLength = length;
        using (var pushed = await raw.SendAsync(HttpMethod.Put, RawClient.WithDigest(await raw.OpenUploadAsync("large/blob"), digest), content))
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);

        using var pulled = await raw.GetAsync($"/v2/large/blob/blobs/{digest}");
        await using var body = await pulled.Content.ReadAsStreamAsync();
        Assert.Equal(digest, "sha256:" + Convert.ToHexStringLower(await SHA256.HashDataAsync(body)));
        return gateway.PeakResidentBytes;
    }

    /// <summary>One mebibyte of noise again and again, each time with its number in front.</summary>
    private sealed class RepeatedNoise(long length) : Stream
    {
        private readonly byte[] _block = OciLayout.Noise(1, 1 << 20);
        private long _position;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position { get => _position; set => throw new NotSupportedException(); }

        public override int Read(Span<byte> buffer)
        {
            var offset = (int)(_position % _block.Length);
            if (offset == 0)
                BitConverter.TryWriteBytes(_block, _position);
            var count = (int)Math.Min(Math.Min(buffer.Length, _block.Length - offset), length - _position);
            _block.AsSpan(offset, count).CopyTo(buffer);
            _position += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
