using FsCheck;
using FsCheck.Fluent;
using Gateway.Registry;
using Xunit;

namespace Gateway.Tests.Registry;

public sealed class ByteRangesTests
{
    [Theory]
    [InlineData("bytes=0-4", "0+5")]
    [InlineData("bytes=5-", "5+5")]
    [InlineData("bytes=-3", "7+3")]
    [InlineData("bytes=-30", "0+10")]
    [InlineData("bytes=3-100", "3+7")]
    [InlineData("bytes=9-9", "9+1")]
    [InlineData("bytes=0-0, 9-9", "0+1 9+1")]
    [InlineData("bytes=9-9,0-0", "9+1 0+1")]
    [InlineData("bytes=0-0,20-30", "0+1")]
    [InlineData("BYTES=0-99999999999999999999", "0+10")]
    [InlineData("bytes=0-0,,2-2", "0+1 2+1")]
    [InlineData("bytes=10-", "none")]
    [InlineData("bytes=-0", "none")]
    [InlineData("bytes=5-2", "none")]
    [InlineData("bytes=99999999999999999999-", "none")]
    [InlineData("bytes=0-9,0-9", "whole")]
    [InlineData("bytes=0-,1-,2-", "whole")]
    [InlineData("items=0-4", "ignored")]
    [InlineData("bytes=", "ignored")]
    [InlineData("bytes=-", "ignored")]
    [InlineData("bytes=a-b", "ignored")]
    [InlineData("bytes=0-4;1-2", "ignored")]
    [InlineData("bytes=+1-2", "ignored")]
    [InlineData("bytes 0-4", "ignored")]
    [InlineData(null, "ignored")]
    public void Ranges_are_placed_on_ten_bytes(string? header, string expected) => Assert.Equal(expected, Place(header, 10));

    [Fact]
    public void Nothing_can_be_asked_of_empty_content() => Assert.Equal(("none", "none"), (Place("bytes=0-", 0), Place("bytes=-1", 0)));

    [Fact]
    public void More_ranges_than_any_client_sends_are_ignored()
    {
        string Header(int count) => "bytes=" + string.Join(',', Enumerable.Range(0, count).Select(i => $"{i * 2}-{i * 2}"));

        Assert.Equal(ByteRanges.MaxRanges, ByteRanges.Parse(Header(ByteRanges.MaxRanges)).Count);
        Assert.Empty(ByteRanges.Parse(Header(ByteRanges.MaxRanges + 1)));
    }

    // The model: a range is the set of positions that its definition names, taken one by one.
    [Fact]
    public void Every_range_is_what_its_definition_says()
    {
        var cases =
            from length in Gen.Choose(0, 20)
            from first in Gen.Choose(0, 25)
            from last in Gen.Choose(0, 25)
            from form in Gen.Elements("{0}-{1}", "{0}-", "-{1}")
            select (length, first, last, form);

        Prop.ForAll(cases.ToArbitrary(), c =>
        {
            var wanted = Enumerable.Range(0, c.length).Where(i => c.form switch
            {
                "{0}-{1}" => i >= c.first && i <= c.last,
                "{0}-" => i >= c.first,
                _ => i >= c.length - c.last,
            }).ToArray();
            var placed = ByteRanges.Place(ByteRanges.Parse("bytes=" + string.Format(null, c.form, c.first, c.last)), c.length)!;
            var got = placed.SelectMany(range => Enumerable.Range((int)range.Offset, (int)range.Count)).ToArray();
            return got.SequenceEqual(wanted);
        }).QuickCheckThrowOnFailure();
    }

    private static string Place(string? header, long length)
    {
        var specs = ByteRanges.Parse(header);
        if (specs.Count == 0) return "ignored";
        var ranges = ByteRanges.Place(specs, length);
        if (ranges is null) return "whole";
        return ranges.Count == 0 ? "none" : string.Join(' ', ranges.Select(range => $"{range.Offset}+{range.Count}"));
    }
}
