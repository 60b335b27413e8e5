using System.Text;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Media;
using Gateway.Repositories;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Frames of RFC 8878 written by hand, each as small as possible.</summary>
public sealed class ZstdTests
{
    private sealed class Drip(byte[] bytes, int most) : IByteSource
    {
        private int _at;

        public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            var count = Math.Min(Math.Min(most, buffer.Length), bytes.Length - _at);
            bytes.AsMemory(_at, count).CopyTo(buffer);
            _at += count;
            return new(count);
        }
    }

    private static async Task<Content> Sniff(byte[] bytes, int most = int.MaxValue) =>
        await new MediaSniffer(Zstd.Unpack).ReadAsync(new Drip(bytes, most), default);

    // A single-segment frame with one stored block.
    private static byte[] Frame(byte[] content) =>
        [0x28, 0xB5, 0x2F, 0xFD, 0x20, (byte)content.Length, .. Block(content.Length, type: 0, isLast: true), .. content];

    // A frame of one stored byte that declares a window of (1 + mantissa / 8) * 2^(10 + exponent) bytes (RFC 8878 §3.1.1.1.2).
    private static byte[] Window(int exponent, int mantissa) =>
        [0x28, 0xB5, 0x2F, 0xFD, 0, (byte)((exponent << 3) | mantissa), .. Block(1, type: 0, isLast: true), 1];

    private static byte[] Block(int size, int type, bool isLast)
    {
        var header = (size << 3) | (type << 1) | (isLast ? 1 : 0);
        return [(byte)header, (byte)(header >> 8), (byte)(header >> 16)];
    }

    private static byte[] Skippable(params byte[] content) => [0x5A, 0x2A, 0x4D, 0x18, (byte)content.Length, 0, 0, 0, .. content];

    private static byte[] Text { get; } = "{\"some\":\"text\"}"u8.ToArray();

    public static TheoryData<string, byte[], byte[]> Whole => new()
    {
        { "a frame", Frame(Text), Text },
        { "several frames", [.. Frame(Text), .. Frame(Text)], [.. Text, .. Text] },
        { "a frame that is skipped at the end, as zstd:chunked has it", [.. Frame(Text), .. Skippable(1, 2, 3)], Text },
        { "a frame that is skipped at the beginning, as pzstd has it", [.. Skippable(4, 0, 0, 0), .. Frame(Text)], Text },
        { "nothing", Frame([]), [] },
        { "a window of 2^27 bytes", Window(exponent: 17, mantissa: 0), [1] },
    };

    [Theory]
    [MemberData(nameof(Whole))]
    public async Task Frames_are_unpacked_for_every_size_of_read(string what, byte[] packed, byte[] expected)
    {
        foreach (var most in new[] { 1, 7, int.MaxValue })
        {
            var content = await Sniff(packed, most);
            Assert.True(content.Flaw is null, $"{what}: {content.Flaw}");
            Assert.Equal((Packing.Zstd, Digest.Of(expected)), (content.Packing, content.DiffId));
        }
    }

    public static TheoryData<string, byte[]> Spoilt => new()
    {
        { "bytes after the frame", [.. Frame(Text), .. Encoding.ASCII.GetBytes("PK and more")] },
        { "one byte after the frame", [.. Frame(Text), 0] },
        { "a frame that is cut", Frame(Text)[..^1] },
        { "a frame without a block", Frame(Text)[..6] },
        { "a skipped frame that is cut", [.. Frame(Text), .. Skippable(1, 2, 3)[..^1]] },
        { "a block of no type", [0x28, 0xB5, 0x2F, 0xFD, 0x20, 4, .. Block(4, type: 3, isLast: true), 1, 2, 3, 4] },
        { "a window of 2^31 bytes", Window(exponent: 21, mantissa: 0) },
        { "a window of 2^27 bytes and an eighth", Window(exponent: 17, mantissa: 1) },
        { "a wrong check sum", [0x28, 0xB5, 0x2F, 0xFD, 0x24, 1, .. Block(1, type: 0, isLast: true), 1, 2, 3, 4, 5] },
    };

    [Theory]
    [MemberData(nameof(Spoilt))]
    public async Task Bytes_that_are_not_whole_frames_are_reported(string what, byte[] packed)
    {
        foreach (var most in new[] { 1, int.MaxValue })
        {
            var content = await Sniff(packed, most);
            Assert.True(content.Flaw?.StartsWith("not zstd that can be unpacked", StringComparison.Ordinal), $"{what}: {content.Flaw}");
            Assert.True(content.DiffId.IsEmpty);
        }
    }

    /// <summary>Each block is four bytes and stands for 128 KiB.</summary>
    [Fact]
    public async Task Unpacking_stops_at_the_ratio_limit()
    {
        var blocks = Enumerable.Range(0, 200_000).SelectMany(static _ => Block(128 * 1024, 1, false).Append((byte)0));
        byte[] bomb = [0x28, 0xB5, 0x2F, 0xFD, 0, 7 << 3, .. blocks];
        Assert.Contains("times as large once unpacked", (await Sniff(bomb)).Flaw, StringComparison.Ordinal);
    }
}
