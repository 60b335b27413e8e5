using System.Text;

namespace Gateway.Registry;

/// <summary>
/// The framing of several ranges in one answer: <c>multipart/byteranges</c> (RFC 9110 §14.6), its length known before the first byte.
/// </summary>
internal sealed class MultipartRanges(IReadOnlyList<ByteRange> ranges, long length, string mediaType, string boundary)
{
    public IReadOnlyList<ByteRange> Ranges { get; } = ranges;

    public string ContentType => $"multipart/byteranges; boundary={boundary}";

    /// <summary>Bytes of the whole body, framing included.</summary>
    public long ContentLength { get; } =
        ranges.Select((range, i) => Header(i, range, length, mediaType, boundary).Length + range.Count).Sum() + Closing(boundary).Length;

    /// <summary>What goes before this range's bytes.</summary>
    public byte[] HeaderOf(int index) => Header(index, Ranges[index], length, mediaType, boundary);

    /// <summary>What goes after the last range's bytes.</summary>
    public byte[] End => Closing(boundary);

    private static byte[] Header(int index, ByteRange range, long length, string mediaType, string boundary) =>
        Encoding.ASCII.GetBytes(
            $"{(index == 0 ? "" : "\r\n")}--{boundary}\r\nContent-Type: {mediaType}\r\n"
            + $"Content-Range: bytes {range.Offset}-{range.Last}/{length}\r\n\r\n");

    private static byte[] Closing(string boundary) => Encoding.ASCII.GetBytes($"\r\n--{boundary}--\r\n");
}
