using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Notation;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Notation;

/// <summary>The examples of RFC 8949 (appendix A), and forms that are valid CBOR but refused here.</summary>
public sealed class StrictCborTests
{
    private static StrictCbor Of(string hex) => new(Convert.FromHexString(hex));

    [Theory]
    [InlineData("00", 0)]
    [InlineData("17", 23)]
    [InlineData("1818", 24)]
    [InlineData("1864", 100)]
    [InlineData("1903e8", 1000)]
    [InlineData("1a000f4240", 1000000)]
    [InlineData("1b000000e8d4a51000", 1000000000000)]
    [InlineData("20", -1)]
    [InlineData("29", -10)]
    [InlineData("3863", -100)]
    [InlineData("3903e7", -1000)]
    [InlineData("3b7fffffffffffffff", long.MinValue)]
    public void Integer_is_read(string hex, long expected)
    {
        var cbor = Of(hex);

        Assert.Equal(expected, cbor.Integer());
        cbor.End();
    }

    [Theory]
    [InlineData("60", "")]
    [InlineData("6161", "a")]
    [InlineData("6449455446", "IETF")]
    [InlineData("62225c", "\"\\")]
    [InlineData("62c3bc", "ü")]
    [InlineData("63e6b0b4", "水")]
    [InlineData("64f0908591", "𐅑")]
    public void Text_is_read(string hex, string expected) => Assert.Equal(expected, Of(hex).Text());

    [Fact]
    public void Bytes_arrays_maps_and_tags_are_read()
    {
        Assert.Equal("01020304", Convert.ToHexString(Of("4401020304").Bytes(4).Span));
        Assert.Equal((3, 0), (Of("83010203").Array(), Of("80").Array()));
        Assert.Equal((2, 0), (Of("a201020304").Map(), Of("a0").Map()));
        var tagged = Of("c11a514b67b0");
        Assert.Equal((1, 1363896240), (tagged.Tag(), tagged.Integer()));
    }

    [Theory]
    [InlineData("8301820203820405")]
    [InlineData("a26161016162820203")]
    [InlineData("d74401020304")]
    [InlineData("98190102030405060708090a0b0c0d0e0f101112131415161718181819")]
    public void Nested_item_is_skipped(string hex)
    {
        var cbor = Of(hex);

        cbor.Skip();
        cbor.End();
    }

    [Theory]
    [InlineData("")]
    [InlineData("1800")] // 0 in two bytes
    [InlineData("190017")]
    [InlineData("1a0000ffff")]
    [InlineData("1b00000000ffffffff")]
    [InlineData("1bffffffffffffffff")] // beyond 63 bits
    [InlineData("3bffffffffffffffff")]
    [InlineData("18")]
    [InlineData("1901")]
    [InlineData("1c")] // reserved
    [InlineData("5f42010243030405ff")] // indefinite
    [InlineData("7f657374726561646d696e67ff")]
    [InlineData("9fff")]
    [InlineData("bf61610161629f0203ffff")]
    [InlineData("41")]
    [InlineData("5affffffff00")]
    [InlineData("61ff")] // no UTF-8
    [InlineData("83010203040506")]
    [InlineData("8301")]
    [InlineData("a101")]
    [InlineData("c1")]
    [InlineData("f4")] // false
    [InlineData("f93c00")] // 1.0
    [InlineData("0000")]
    [InlineData("818181818181818181818100")] // eleven deep
    [InlineData("a201000100")] // the key 1 twice
    [InlineData("580100")] // a length of 1 in two bytes
    [InlineData("780161")]
    [InlineData("9800")]
    [InlineData("b800")]
    [InlineData("d80100")]
    [InlineData("9a0001000000")]
    public void Other_encodings_are_refused(string hex)
    {
        var problem = Assert.Throws<UnusableSignatureException>(() =>
        {
            var cbor = Of(hex);
            cbor.Skip();
            cbor.End();
        });

        Assert.Equal(ReasonCodes.SigBad, problem.Code);
    }
}
