using System.Buffers.Binary;
using System.Text;

namespace Gateway.Fuzz;

/// <summary>
/// Changes an input as documents and headers differ: in bits, words, numbers, lines, nesting, and what is encoded within.
/// </summary>
internal sealed class Mutator(Random random, string[] words, int maxLength)
{
    // Where readers change their minds: ends of types, sizes of buffers, ends of calendars.
    private static readonly long[] Numbers =
    [
        0, 1, -1, 2, 9, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 1000, 1024, 4096, 65535, 65536, int.MaxValue, int.MaxValue + 1L,
        uint.MaxValue, uint.MaxValue + 1L, 253402300799, 253402300800, 253402300799999, 9007199254740991, 9007199254740992, long.MaxValue,
        long.MinValue,
    ];

    private static readonly string[] CommonWords =
    [
        "\0", "\n", "\r\n", "\t", " ", "\"", "'", "\\", "/", "..", "%00", "%2f", ":", ",", ";", "=", "-", "\u00e9", "\ufeff", "\u212a",
        "\\ud800", "null", "1e3", "-0"
    ];

    private static readonly byte[] Openings = "[{(<\"'"u8.ToArray();

    private readonly byte[][] _words = [.. words.Concat(CommonWords).Select(Encoding.UTF8.GetBytes)];

    /// <summary>Makes another input of one, and of parts of a second.</summary>
    public byte[] Change(byte[] input, byte[] other)
    {
        // Mostly little: what is changed all over is refused at its first byte.
        for (var left = 1 + (random.Next(3) == 0 ? random.Next(7) : 0); left > 0; left--) input = Once(input, other);
        return input.Length > maxLength ? input[..maxLength] : input;
    }

    private byte[] Once(byte[] input, byte[] other) => random.Next(16) switch
    {
        0 => Replace(input, at => (byte)(input[at] ^ (1 << random.Next(8)))),
        1 => Replace(input, _ => (byte)random.Next(256)),
        2 => Cut(input),
        3 => Repeat(input),
        4 => Insert(input, Word(), random.Next(input.Length + 1)),
        5 => Over(input, Word()),
        6 => [.. input.AsSpan(0, random.Next(input.Length + 1)), .. other.AsSpan(random.Next(other.Length + 1))],
        7 => Insert(input, Part(other), random.Next(input.Length + 1)),
        8 => input[..random.Next(input.Length + 1)],
        9 => Number(input),
        10 => Nest(input),
        11 => Swap(input),
        12 => Binary(input),
        13 => Lines(input),
        _ => Within(input, other),
    };

    private byte[] Word() => _words[random.Next(_words.Length)];

    private byte[] Replace(byte[] input, Func<int, byte> by)
    {
        if (input.Length == 0) return [(byte)random.Next(256)];
        var at = random.Next(input.Length);
        byte[] changed = [.. input];
        changed[at] = by(at);
        return changed;
    }

    // Short ones as often as long ones.
    private (int At, int Length) Range(byte[] input)
    {
        var at = random.Next(input.Length + 1);
        var most = random.Next(4) == 0 ? input.Length - at : Math.Min(8, input.Length - at);
        return (at, random.Next(most + 1));
    }

    private byte[] Part(byte[] input)
    {
        var (at, length) = Range(input);
        return input[at..(at + length)];
    }

    private byte[] Cut(byte[] input)
    {
        var (at, length) = Range(input);
        return [.. input.AsSpan(0, at), .. input.AsSpan(at + length)];
    }

    private byte[] Over(byte[] input, byte[] word)
    {
        var (at, length) = Range(input);
        return [.. input.AsSpan(0, at), .. word, .. input.AsSpan(at + length)];
    }

    private static byte[] Insert(byte[] input, byte[] part, int at) => [.. input.AsSpan(0, at), .. part, .. input.AsSpan(at)];

    private byte[] Repeat(byte[] input)
    {
        var (at, length) = Range(input);
        if (length == 0) return input;
        var times = Math.Min(1 << random.Next(1, 11), Math.Max(1, maxLength / length));
        var repeated = new byte[times * length];
        for (var i = 0; i < times; i++) input.AsSpan(at, length).CopyTo(repeated.AsSpan(i * length));
        return Insert(input, repeated, at);
    }

    private byte[] Number(byte[] input)
    {
        var digits = Enumerable.Range(0, input.Length).Where(i => char.IsAsciiDigit((char)input[i])).ToArray();
        if (digits.Length == 0) return input;
        var at = digits[random.Next(digits.Length)];
        var end = at;
        while (end < input.Length && char.IsAsciiDigit((char)input[end])) end++;
        var number = Encoding.ASCII.GetBytes(Some().ToString(System.Globalization.CultureInfo.InvariantCulture));
        return [.. input.AsSpan(0, at), .. number, .. input.AsSpan(end)];
    }

    private long Some() => Numbers[random.Next(Numbers.Length)] + (random.Next(4) == 0 ? random.Next(-1, 2) : 0);

    private byte[] Nest(byte[] input)
    {
        var found = Enumerable.Range(0, input.Length).Where(i => Openings.Contains(input[i])).ToArray();
        var depth = 1 << random.Next(1, 12);
        var at = found.Length == 0 ? 0 : found[random.Next(found.Length)];
        var opening = found.Length == 0 ? Openings[random.Next(Openings.Length)] : input[at];
        var nested = new byte[depth];
        nested.AsSpan().Fill(opening);
        return Insert(input, nested, at);
    }

    private byte[] Swap(byte[] input)
    {
        if (input.Length < 2) return input;
        int[] at = [random.Next(input.Length + 1), random.Next(input.Length + 1), random.Next(input.Length + 1)];
        Array.Sort(at);
        return [.. input.AsSpan(0, at[0]), .. input.AsSpan(at[1]..at[2]), .. input.AsSpan(at[0]..at[1]), .. input.AsSpan(at[2])];
    }

    private byte[] Binary(byte[] input)
    {
        var width = 1 << random.Next(4);
        if (input.Length < width) return input;
        Span<byte> bytes = stackalloc byte[8];
        if (random.Next(2) == 0) BinaryPrimitives.WriteInt64LittleEndian(bytes, Some());
        else BinaryPrimitives.WriteInt64BigEndian(bytes, Some() << (64 - (8 * width)));
        byte[] changed = [.. input];
        bytes[..width].CopyTo(changed.AsSpan(random.Next(input.Length - width + 1)));
        return changed;
    }

    private byte[] Lines(byte[] input)
    {
        var lines = Encoding.Latin1.GetString(input).Split('\n').ToList();
        var (from, to) = (random.Next(lines.Count), random.Next(lines.Count));
        switch (random.Next(3))
        {
            case 0: lines.Insert(to, lines[from]); break;
            case 1: lines.RemoveAt(from); break;
            default: lines[to] = new string(' ', random.Next(8)) + lines[from].TrimStart(' '); break;
        }
        return Encoding.Latin1.GetBytes(string.Join('\n', lines));
    }

    // Changes one quoted text: for another of the two documents, or, where it is base 64, what it encodes.
    private byte[] Within(byte[] input, byte[] other)
    {
        var texts = Quoted(input);
        if (texts.Count == 0) return Over(input, Word());
        var (at, length) = texts[random.Next(texts.Count)];
        var text = input[at..(at + length)];
        var changed = random.Next(3) == 0 && Quoted(other) is { Count: > 0 } others
            ? Of(other, others[random.Next(others.Count)])
            : Decoded(text) is { Length: > 0 } decoded && random.Next(4) > 0
                ? Encoding.ASCII.GetBytes(Convert.ToBase64String(Change(decoded, decoded)))
                : random.Next(2) == 0 ? Word() : Over(text, Word());
        return [.. input.AsSpan(0, at), .. changed, .. input.AsSpan(at + length)];

        static byte[] Of(byte[] from, (int At, int Length) range) => from[range.At..(range.At + range.Length)];
    }

    private static List<(int At, int Length)> Quoted(byte[] input)
    {
        List<(int, int)> found = [];
        for (var at = input.AsSpan().IndexOf((byte)'"'); at >= 0 && at + 1 < input.Length;)
        {
            var length = input.AsSpan(at + 1).IndexOf((byte)'"');
            if (length < 0) break;
            found.Add((at + 1, length));
            var next = input.AsSpan(at + length + 2).IndexOf((byte)'"');
            at = next < 0 ? -1 : at + length + 2 + next;
        }
        return found;
    }

    private static byte[]? Decoded(byte[] text)
    {
        if (text.Length is < 8 or > 64 * 1024 || text.Length % 4 != 0) return null;
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(Encoding.Latin1.GetString(text), bytes, out var length) ? bytes[..length] : null;
    }
}
