using System.Globalization;
using System.Text;

namespace Gateway.Storage;

/// <summary>The digests that one collection condemned, each with its index. It never changes.</summary>
internal sealed class CondemnedList
{
    /// <summary>
    /// The largest number of digests of a collection; the next one takes the others. Chosen: each gateway reads the list once, 5 MB, and
    /// the state stays below 1 MiB.
    /// </summary>
    public const int MaxDigests = 65_536;

    /// <summary>The largest list in bytes: SHA-512 and a length in each line.</summary>
    public const int MaxBytes = MaxDigests * 160;

    private readonly Dictionary<Digest, int> _indexes;

    public CondemnedList(IReadOnlyList<(Digest Digest, long Length)> items)
    {
        Items = items;
        _indexes = new(items.Count);
        for (var i = 0; i < items.Count; i++) _indexes[items[i].Digest] = i;
    }

    /// <summary>The digests with the lengths of their bytes.</summary>
    public IReadOnlyList<(Digest Digest, long Length)> Items { get; }

    /// <summary>The index of a digest; null when it is not condemned.</summary>
    public int? IndexOf(Digest digest) => _indexes.TryGetValue(digest, out var index) ? index : null;

    /// <summary>The list of an object. Throws <see cref="IOException"/> for other bytes.</summary>
    public static CondemnedList Parse(ReadOnlySpan<byte> bytes)
    {
        var items = new List<(Digest, long)>();
        foreach (var line in Encoding.ASCII.GetString(bytes).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space < 0 || !Digest.TryParse(line.AsSpan(0, space), out var digest)
                || !long.TryParse(line.AsSpan(space + 1), CultureInfo.InvariantCulture, out var length))
                throw new IOException($"expected a digest and a length in a list of condemned content, got '{line}'");
            items.Add((digest, length));
        }
        return new(items);
    }

    /// <summary>The bytes of the object.</summary>
    public byte[] ToBytes() => Encoding.ASCII.GetBytes(string.Concat(
        Items.Select(static item => string.Create(CultureInfo.InvariantCulture, $"{item.Digest} {item.Length}\n"))));
}
