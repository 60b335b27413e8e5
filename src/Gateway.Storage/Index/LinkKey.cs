using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Storage;

/// <summary>
/// The lookup index's key of one link: the SHA-256 of root, kind, digest and repository. Two links with the same key would be a collision
/// of SHA-256, which would already let anyone replace content by digest. So the index assumes nothing beyond what the registry assumes.
/// </summary>
internal readonly record struct LinkKey(ulong A, ulong B, ulong C, ulong D) : IIndexKey
{
    // Repository names have at most 255 characters, and an upstream's key may precede one. Longer names are encoded on the heap.
    private const int UsualLength = 512;

    public long Hash64 => (long)A;

    /// <summary>
    /// The key of a link. <paramref name="repository"/> is the repository's folder below its root, so that a cached repository differs from
    /// a built-in one with the same name.
    /// </summary>
    public static LinkKey Of(byte root, ReadOnlySpan<char> repository, LinkKind kind, Digest digest)
    {
        // The repository is last, after fields of fixed length, so that no two links have the same encoding.
        var head = new Head(root, kind, new DigestKey(digest));
        var prefix = MemoryMarshal.AsBytes(new ReadOnlySpan<Head>(in head));
        var length = prefix.Length + Encoding.UTF8.GetMaxByteCount(repository.Length);
        var rented = length > UsualLength ? ArrayPool<byte>.Shared.Rent(length) : null;
        var buffer = rented ?? stackalloc byte[UsualLength];
        prefix.CopyTo(buffer);
        var end = prefix.Length + Encoding.UTF8.GetBytes(repository, buffer[prefix.Length..]);
        Span<ulong> hash = stackalloc ulong[4];
        SHA256.HashData(buffer[..end], MemoryMarshal.AsBytes(hash));
        if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
        return new LinkKey(hash[0], hash[1], hash[2], hash[3]);
    }

    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    private readonly record struct Head(byte Root, LinkKind Kind, DigestKey Digest);
}
