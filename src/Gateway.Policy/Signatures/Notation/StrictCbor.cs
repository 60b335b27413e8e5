using System.Formats.Cbor;
using System.Text;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>
/// Reads the part of CBOR that COSE needs (RFC 8949), and accepts one form only: definite lengths, the shortest head, valid UTF-8, no key
/// twice, and nothing after the item. It refuses integers of more than 63 bits, floats and simple values. Every refusal is
/// <c>SIG_BAD</c>. The caller limits the size of the input.
/// </summary>
internal sealed class StrictCbor(ReadOnlyMemory<byte> bytes)
{
    private const int MaxDepth = 8; // the envelope nests 3 deep
    private const int MaxItems = 64; // of an array or map; real ones have 7
    private const int MaxText = 1024; // bytes; names and media types have a tenth

    private readonly CborReader _reader =
        new(bytes, new CborReaderOptions { ConformanceMode = CborConformanceMode.Strict, MaxDepth = MaxDepth });

    private int At => bytes.Length - _reader.BytesRemaining;

    /// <summary>Whether the next item is a text.</summary>
    public bool IsAtText => Next() == CborReaderState.TextString;

    /// <summary>Enters a tagged item and returns the tag.</summary>
    public long Tag() => Head(CborReaderState.Tag, "a tag", static reader => (long)reader.ReadTag());

    /// <summary>Enters an array and returns the number of its items.</summary>
    public int Array() => Count(Head(CborReaderState.StartArray, "an array", static reader => reader.ReadStartArray() ?? -1));

    /// <summary>Enters a map and returns the number of its pairs.</summary>
    public int Map() => Count(Head(CborReaderState.StartMap, "a map", static reader => reader.ReadStartMap() ?? -1));

    /// <summary>An integer of either sign.</summary>
    public long Integer() => Next() == CborReaderState.NegativeInteger
        ? -1 - Head(CborReaderState.NegativeInteger, "an integer", static reader => (long)reader.ReadCborNegativeIntegerRepresentation())
        : Head(CborReaderState.UnsignedInteger, "an integer", static reader => (long)reader.ReadUInt64());

    /// <summary>A byte string of at most <paramref name="max"/> bytes.</summary>
    public ReadOnlyMemory<byte> Bytes(int max) =>
        Take(CborReaderState.ByteString, "a byte string", static reader => reader.ReadDefiniteLengthByteString(), max);

    /// <summary>A text of at most 1 KiB.</summary>
    public string Text() => Encoding.UTF8.GetString(
        Take(CborReaderState.TextString, "a text", static reader => reader.ReadDefiniteLengthTextStringBytes(), MaxText).Span);

    /// <summary>Skips the next item.</summary>
    public void Skip()
    {
        for (var items = 1; items > 0; items--)
        {
            switch (Next())
            {
                case CborReaderState.StartArray: items += Array(); break;
                case CborReaderState.StartMap: items += Map() * 2; break;
                case CborReaderState.Tag: items += Tag() < 0 ? 0 : 1; break;
                case CborReaderState.ByteString: Bytes(int.MaxValue); break;
                case CborReaderState.TextString: Text(); break;
                default: Integer(); break;
            }
        }
    }

    /// <summary>Refuses bytes after the item.</summary>
    public void End()
    {
        if (Next() != CborReaderState.Finished || _reader.BytesRemaining > 0)
            throw Problem("expected nothing after the item, got more bytes");
    }

    /// <summary>The kind of the next item; leaves arrays and maps that are complete.</summary>
    private CborReaderState Next() => Try(static reader =>
    {
        while (true)
        {
            var state = reader.PeekState();
            if (state == CborReaderState.EndArray) reader.ReadEndArray();
            else if (state == CborReaderState.EndMap) reader.ReadEndMap();
            else return state;
        }
    });

    private long Head(CborReaderState kind, string what, Func<CborReader, long> read)
    {
        Expect(kind, what);
        var from = At;
        var value = Try(read);
        return value >= 0 && At - from == HeadLength(value)
            ? value
            : throw Problem("expected a definite length, and the shortest form of a number of at most 63 bits");
    }

    private ReadOnlyMemory<byte> Take(CborReaderState kind, string what, Func<CborReader, ReadOnlyMemory<byte>> read, int max)
    {
        Expect(kind, what);
        var from = At;
        var content = Try(read);
        if (content.Length > max) throw Problem($"expected at most {max} bytes, got {content.Length}");
        return At - from == HeadLength(content.Length) + content.Length
            ? content
            : throw Problem("expected the shortest form of a length");
    }

    /// <summary>Bytes of the shortest head for a value (RFC 8949 §3).</summary>
    private static int HeadLength(long value) => value switch
    {
        < 24 => 1,
        <= byte.MaxValue => 2,
        <= ushort.MaxValue => 3,
        <= uint.MaxValue => 5,
        _ => 9,
    };

    private int Count(long count) => count <= MaxItems ? (int)count : throw Problem($"expected at most {MaxItems} items, got {count}");

    private void Expect(CborReaderState kind, string what)
    {
        if (Next() is var next && next != kind) throw Problem($"expected {what}, got {next}");
    }

    private T Try<T>(Func<CborReader, T> read)
    {
        try
        {
            return read(_reader);
        }
        catch (Exception e) when (e is CborContentException or InvalidOperationException)
        {
            throw Problem(e.Message);
        }
    }

    private UnusableSignatureException Problem(string why) =>
        new(ReasonCodes.SigBad, Printable.Line($"CBOR at byte {At} of {bytes.Length}: {why}"));
}
