using System.Security.Cryptography;

namespace Gateway.Policy.Signatures.Keyless;

/// <summary>Merkle inclusion proofs as logs give them (RFC 9162 §2.1.3.2; the tree is RFC 6962's).</summary>
internal static class MerkleProof
{
    private const int HashLength = SHA256.HashSizeInBytes;

    /// <summary>
    /// The hash of a leaf (RFC 6962 §2.1); it differs from the hash of a node, so that a node is never accepted as an entry.
    /// </summary>
    public static byte[] LeafHash(ReadOnlySpan<byte> entry)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData([0x00]);
        hash.AppendData(entry);
        return hash.GetHashAndReset();
    }

    /// <summary>Whether the path leads from the leaf at this position to the root of a tree of this size.</summary>
    public static bool Leads(
        ReadOnlySpan<byte> leafHash, long index, long size, ImmutableArray<ReadOnlyMemory<byte>> way, ReadOnlySpan<byte> root)
    {
        if (index < 0 || index >= size || way.Any(h => h.Length != HashLength)) return false;
        var (at, last) = (index, size - 1);
        var hash = leafHash.ToArray();
        foreach (var sibling in way)
        {
            if (last == 0) return false; // longer than the tree is high
            var isRight = (at & 1) == 1 || at == last;
            hash = isRight ? NodeHash(sibling.Span, hash) : NodeHash(hash, sibling.Span);
            // A node without a right sibling equals its parent: go up to where it is a right child.
            while (isRight && (at & 1) == 0 && at != 0) (at, last) = (at >> 1, last >> 1);
            (at, last) = (at >> 1, last >> 1);
        }
        return last == 0 && hash.AsSpan().SequenceEqual(root);
    }

    private static byte[] NodeHash(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        Span<byte> node = stackalloc byte[1 + (2 * HashLength)];
        node[0] = 0x01;
        left.CopyTo(node[1..]);
        right.CopyTo(node[(1 + HashLength)..]);
        return SHA256.HashData(node);
    }
}
