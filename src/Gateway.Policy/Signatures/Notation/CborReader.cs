using System.Buffers.Binary;
using System.Text;
using Gateway.Oci;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>
/// Reads as much CBOR as COSE needs (RFC 8949), in one form only: definite lengths, the shortest head, valid UTF-8, nothing after the item.
/// Integers beyond 63 bits, floats and simple values are refused. What is wrong is <c>SIG_BAD</c>.
/// </summary>
internal ref struct CborReader(ReadOnlySpan<byte> bytes)
{
    private const int MaxDepth = 8; // the envelope nests 3 deep
    private const int MaxItems = 64; // of an array or map; real ones have 7

    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private int _at;

    private enum Major
    {
        Unsigned,
        Negative,
        Bytes,
        Text,
        Array,
        Map,
        Tag,
        Other,
    }

    /// <summary>Whether the next item is text, else it is something else.</summary>
    public readonly bool IsAtText => IsAt(Major.Text);

    /// <summary>Enters a tagged item and returns the tag.</summary>
    public long Tag() => Head(Major.Tag, "a tag");

    /// <summary>Enters an array and returns how many items follow.</summary>
    public int Array() => Count(Head(Major.Array, "an array"));

    /// <summary>Enters a map and returns how many pairs follow.</summary>
    public int Map() => Count(Head(Major.Map, "a map"));

    /// <summary>An integer of either sign.</summary>
    public long Integer() => IsAt(Major.Negative) ? -1 - Head(Major.Negative, "an integer") : Head(Major.Unsigned, "an integer");

    /// <summary>A byte string of at most so many bytes.</summary>
    public ReadOnlySpan<byte> Bytes(int max) => Take(Head(Major.Bytes, "a byte string"), max);

    /// <summary>A text of at most 1 KiB.</summary>
    public string Text()
    {
        var utf8 = Take(Head(Major.Text, "a text"), max: 1024); // names and media types have a tenth
        return System.Text.Unicode.Utf8.IsValid(utf8) ? Encoding.UTF8.GetString(utf8) : throw Problem("expected UTF-8 in a text");
    }

    /// <summary>Leaves the next item.</summary>
    public void Skip(int depth = 0)
    {
        if (depth == MaxDepth) throw Problem($"expected at most {MaxDepth} levels");
        if (IsAt(Major.Array)) SkipAll(Array(), depth);
        else if (IsAt(Major.Map)) SkipAll(Map() * 2, depth);
        else if (IsAt(Major.Tag)) SkipAll(Tag() >= 0 ? 1 : 0, depth);
        else if (IsAt(Major.Bytes)) Bytes(int.MaxValue);
        else if (IsAt(Major.Text)) Text();
        else Integer();
    }

    /// <summary>Makes sure that nothing follows.</summary>
    public readonly void End()
    {
        if (_at < _bytes.Length) throw Problem("expected nothing after the item");
    }

    /// <summary>The head of an item: major type and length (RFC 8949 §3).</summary>
    public static byte[] HeadOf(int major, int length)
    {
        byte[] head = [0, 0, 0, 0, 0];
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(1), length);
        return length switch
        {
            < 24 => [(byte)(major << 5 | length)],
            < 1 << 8 => [(byte)(major << 5 | 24), head[4]],
            < 1 << 16 => [(byte)(major << 5 | 25), head[3], head[4]],
            _ => [(byte)(major << 5 | 26), .. head.AsSpan(1)],
        };
    }

    private readonly bool IsAt(Major major) => _at < _bytes.Length && _bytes[_at] >> 5 == (int)major;

    private void SkipAll(int count, int depth)
    {
        for (; count > 0; count--) Skip(depth + 1);
    }

    private readonly int Count(long count) =>
        count <= MaxItems ? (int)count : throw Problem($"expected at most {MaxItems} items");

    private ReadOnlySpan<byte> Take(long length, int max)
    {
        if (length > max) throw Problem($"expected at most {max} bytes");
        if (length > _bytes.Length - _at) throw Problem("expected more bytes, got the end");
        _at += (int)length;
        return _bytes.Slice(_at - (int)length, (int)length);
    }

    private long Head(Major major, string what)
    {
        if (!IsAt(major)) throw Problem($"expected {what}");
        var info = _bytes[_at++] & 31;
        if (info < 24) return info;
        if (info > 27) throw Problem("expected a definite length"); // indefinite, or reserved
        var size = 1 << (info - 24);
        Span<byte> wide = stackalloc byte[8];
        wide.Clear();
        Take(size, size).CopyTo(wide[(8 - size)..]);
        var value = BinaryPrimitives.ReadInt64BigEndian(wide);
        var least = size == 1 ? 24 : 1L << (size * 4);
        return value >= least ? value : throw Problem("expected the shortest form of a number of at most 63 bits");
    }

    private readonly UnusableSignatureException Problem(string why) =>
        new(ReasonCodes.SigBad, Printable.Line($"CBOR at byte {_at} of {_bytes.Length}: {why}"));
}
