using Gateway.Policy.Media;
using Xunit;

namespace Gateway.Policy.Tests.Media;

/// <summary>Lookahead in a stream that is longer than the buffer.</summary>
public sealed class ByteReaderTests
{
    private const int Length = (3 * ByteReader.Capacity) + 17;

    // Portions as from a disk, from a pipe, or from a hostile client.
    private sealed class Given(byte[] bytes, int atOnce) : IByteSource
    {
        private int _at;

        public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            var count = Math.Min(Math.Min(atOnce, buffer.Length), bytes.Length - _at);
            bytes.AsMemory(_at, count).CopyTo(buffer);
            _at += count;
            return ValueTask.FromResult(count);
        }
    }

    private static byte[] Noise()
    {
        var bytes = new byte[Length];
        new Random(1).NextBytes(bytes);
        return bytes;
    }

    [Theory]
    [InlineData(int.MaxValue, 512, 200)]
    [InlineData(int.MaxValue, 512, 512)]
    [InlineData(int.MaxValue, ByteReader.Capacity, 1000)]
    [InlineData(1000, 512, 333)]
    [InlineData(1, 16, 5)]
    public async Task Every_byte_is_returned_once_and_lookahead_is_complete(int atOnce, int ahead, int step)
    {
        var expected = Noise();
        var reader = new ByteReader(new Given(expected, atOnce));
        for (var at = 0; at < Length;)
        {
            var next = await reader.PeekAsync(ahead, CancellationToken.None);
            Assert.InRange(next.Length, Math.Min(ahead, Length - at), ByteReader.Capacity);
            Assert.Equal(at, reader.Position);
            Assert.True(next.Span.SequenceEqual(expected.AsSpan(at, next.Length)), $"expected the next bytes at {at}, got others");
            reader.Advance(Math.Min(step, next.Length));
            at += Math.Min(step, next.Length);
        }
        Assert.True((await reader.PeekAsync(1, CancellationToken.None)).IsEmpty);
    }

    [Fact]
    public async Task Reading_continues_after_lookahead()
    {
        var expected = Noise();
        var reader = new ByteReader(new Given(expected, 777));
        await reader.PeekAsync(100, CancellationToken.None);
        reader.Advance(50);
        var (read, buffer) = (new List<byte>(), new byte[4096]);
        while (await reader.ReadAsync(buffer, CancellationToken.None) is > 0 and var count) read.AddRange(buffer.AsSpan(0, count));
        Assert.Equal(expected[50..], read);
        Assert.Equal(Length, reader.Position);
    }
}
