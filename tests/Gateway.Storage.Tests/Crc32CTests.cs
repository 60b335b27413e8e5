using System.Numerics;
using System.Text;
using Gateway.Storage;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Journals and lookup indexes of earlier versions stay readable: each checksum is the one that they contain.</summary>
public sealed class Crc32CTests
{
    [Fact]
    public void Journal_has_the_check_value_of_the_standard() => Assert.Equal(0xE3069283u, Crc32C.Of("123456789"u8));

    [Fact]
    public void Thirty_two_zeros_have_the_checksum_of_RFC_3720() => Assert.Equal(0x8A9136AAu, Crc32C.Of(new byte[32]));

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(4096)]
    public void Index_block_has_the_checksum_without_the_final_inversion(int length)
    {
        var bytes = Encoding.ASCII.GetBytes(new string('x', length));
        var expected = uint.MaxValue;
        foreach (var one in bytes) expected = BitOperations.Crc32C(expected, one);
        expected = BitOperations.Crc32C(expected, 0x0102030405060708ul);

        Assert.Equal(expected, Crc32C.RawOf(bytes, 0x0102030405060708ul));
    }

    [Fact]
    public void Index_record_has_the_checksum_without_the_final_inversion() =>
        Assert.Equal(BitOperations.Crc32C(uint.MaxValue, 0x0102030405060708ul), Crc32C.RawOf(0x0102030405060708ul));
}
