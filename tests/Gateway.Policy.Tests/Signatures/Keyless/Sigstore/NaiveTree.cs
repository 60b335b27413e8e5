using System.Security.Cryptography;

namespace Gateway.Policy.Tests.Signatures.Keyless.Sigstore;

/// <summary>RFC 6962 §2.1's tree, by its recursive definition.</summary>
internal static class NaiveTree
{
    public static byte[] Leaf(byte[] entry) => SHA256.HashData([0x00, .. entry]);

    public static byte[] Root(IReadOnlyList<byte[]> entries)
    {
        if (entries.Count == 0) return SHA256.HashData([]);
        if (entries.Count == 1) return Leaf(entries[0]);
        var k = Split(entries.Count);
        return SHA256.HashData([0x01, .. Root([.. entries.Take(k)]), .. Root([.. entries.Skip(k)])]);
    }

    /// <summary>PATH(m, D[n]) of §2.1.1.</summary>
    public static List<byte[]> Path(int index, IReadOnlyList<byte[]> entries)
    {
        if (entries.Count == 1) return [];
        var k = Split(entries.Count);
        return index < k
            ? [.. Path(index, [.. entries.Take(k)]), Root([.. entries.Skip(k)])]
            : [.. Path(index - k, [.. entries.Skip(k)]), Root([.. entries.Take(k)])];
    }

    // The largest power of two below n.
    private static int Split(int n)
    {
        var k = 1;
        while (k * 2 < n) k *= 2;
        return k;
    }
}
