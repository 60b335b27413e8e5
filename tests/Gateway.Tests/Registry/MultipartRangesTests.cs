using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Gateway.Registry;
using Microsoft.AspNetCore.WebUtilities;
using Xunit;

namespace Gateway.Tests.Registry;

public sealed class MultipartRangesTests
{
    [Fact]
    public void Multipart_response_contains_every_range_in_order()
    {
        var content = Encoding.ASCII.GetBytes("--b\r\n\r\n0123456789--b--\r\n");
        var range =
            from offset in Gen.Choose(0, content.Length - 1)
            from count in Gen.Choose(1, content.Length - offset)
            select new ByteRange(offset, count);

        Prop.ForAll(range.NonEmptyListOf().ToArbitrary(), list =>
        {
            ByteRange[] ranges = [.. list];
            var parts = new MultipartRanges(ranges, content.Length, "application/octet-stream", "boundary0123456789");
            var body = Frame(parts, content);
            return body.Length == parts.ContentLength && ReadBack(body).SequenceEqual(ranges.Select(r => Expected(r, content)));
        }).QuickCheckThrowOnFailure();
    }

    private static string Expected(ByteRange range, byte[] content) =>
        $"bytes {range.Offset}-{range.Last}/{content.Length}|{Encoding.ASCII.GetString(content, (int)range.Offset, (int)range.Count)}";

    private static byte[] Frame(MultipartRanges parts, byte[] content)
    {
        using var body = new MemoryStream();
        for (var i = 0; i < parts.Ranges.Count; i++)
        {
            body.Write(parts.HeaderOf(i));
            body.Write(content, (int)parts.Ranges[i].Offset, (int)parts.Ranges[i].Count);
        }
        body.Write(parts.End);
        return body.ToArray();
    }

    private static List<string> ReadBack(byte[] body)
    {
        var reader = new MultipartReader("boundary0123456789", new MemoryStream(body)) { HeadersCountLimit = 4 };
        var found = new List<string>();
        while (reader.ReadNextSectionAsync().GetAwaiter().GetResult() is { } section)
        {
            using var text = new StreamReader(section.Body, Encoding.ASCII);
            found.Add($"{section.Headers!["Content-Range"]}|{text.ReadToEnd()}");
        }
        return found;
    }
}
