using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Gateway.Storage;

/// <summary>
/// A digest as 72 bytes of fixed layout without padding: the key of content in the lookup index, and the form in which a record names
/// another digest. The default value names no digest.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly struct DigestKey : IIndexKey, IEquatable<DigestKey>
{
    // 0 for none, so that the default value is empty; otherwise the algorithm's number plus one. Eight bytes, so that the next field is
    // aligned.
    private readonly ulong _algorithm;
    private readonly Hash _hash;

    /// <summary>The key of a digest; of the empty digest, the default value.</summary>
    public DigestKey(Digest digest)
    {
        if (digest.IsEmpty) return;
        _algorithm = (ulong)(digest.Algorithm + 1);
        Convert.FromHexString(digest.Hex, _hash, out _, out _);
    }

    public bool IsEmpty => _algorithm == 0;

    public long Hash64 => MemoryMarshal.Read<long>(_hash);

    /// <summary>The digest. Each call allocates a new one.</summary>
    public Digest ToDigest() =>
        IsEmpty ? default : Digest.FromHash((DigestAlgorithm)(int)(_algorithm - 1), ((ReadOnlySpan<byte>)_hash)[..Length]);

    // SHA-256 has 32 bytes, SHA-512 has 64 (FIPS 180-4).
    private int Length => _algorithm == 1 ? 32 : 64;

    public bool Equals(DigestKey other) => _algorithm == other._algorithm && ((ReadOnlySpan<byte>)_hash).SequenceEqual(other._hash);

    public override bool Equals(object? obj) => obj is DigestKey other && Equals(other);

    public override int GetHashCode() => Hash64.GetHashCode();

    /// <summary>The bytes of the hash, with zeros after the end of a shorter one.</summary>
    [InlineArray(64)]
    private struct Hash
    {
        private byte _first;
    }
}
