using System.Globalization;

namespace Gateway.Operations.ReadModels;

/// <summary>
/// Which content several repositories have, in a fixed amount of memory: two Bloom filters, of what was noted once and of what was noted
/// again. It may take content for shared that is not, never the other way around.
/// </summary>
internal sealed class SharedFilter
{
    // 2 MiB for each filter. With a million contents 6 in 10,000 are wrong, with four million 15 in 100.
    private const int Bits = 1 << 24;
    private const int Hashes = 8;

    private readonly ulong[] _again = new ulong[Bits / 64];
    private ulong[]? _once = new ulong[Bits / 64];

    /// <summary>Notes that a repository has some content; once for each repository.</summary>
    /// <param name="root">The root that has the bytes: the same digest in two roots is two files.</param>
    public void Note(int root, Digest digest)
    {
        var (first, step) = HashOf(root, digest);
        if (IsIn(_once!, first, step)) Put(_again, first, step);
        else Put(_once!, first, step);
    }

    /// <summary>Frees what only <see cref="Note"/> needs.</summary>
    public void End() => _once = null;

    /// <summary>Whether several repositories have some content.</summary>
    public bool IsShared(int root, Digest digest)
    {
        var (first, step) = HashOf(root, digest);
        return IsIn(_again, first, step);
    }

    // A digest is random already. An attacker who makes digests collide makes its own content look shared.
    private static (uint First, uint Step) HashOf(int root, Digest digest) => (
        uint.Parse(digest.Hex[..8], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) ^ ((uint)root * 0x9E3779B9),
        uint.Parse(digest.Hex[8..16], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) | 1);

    private static bool IsIn(ulong[] bits, uint first, uint step)
    {
        for (var i = 0; i < Hashes; i++, first += step)
        {
            var bit = first % Bits;
            if ((bits[bit / 64] & (1UL << (int)(bit % 64))) == 0) return false;
        }
        return true;
    }

    private static void Put(ulong[] bits, uint first, uint step)
    {
        for (var i = 0; i < Hashes; i++, first += step)
        {
            var bit = first % Bits;
            bits[bit / 64] |= 1UL << (int)(bit % 64);
        }
    }
}
