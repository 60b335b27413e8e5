using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Bench;

/// <summary>
/// A file of random bytes that becomes another blob at no cost: only its last bytes change, in place, and the state of the hash before them
/// is remembered. So every round has a new digest and the same pages of memory. A virtual machine takes over 1 s of processor time to back
/// 512 MiB of pages that were never used before, which would be charged to the server that comes first.
/// </summary>
internal sealed partial class BlobFile : IDisposable
{
    private const int Changing = 4096;

    // SHA-256 of OpenSSL, which the runtime needs too: .NET has no copy of a hash's state.
    private const string Crypto = "libcrypto.so.3";

    private readonly nint _before = NewContext();
    private readonly nint _whole = NewContext();
    private readonly byte[] _last = new byte[Changing];

    public BlobFile(string path, long length)
    {
        (Path, Length) = (path, length);
        Handle = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, FileShare.ReadWrite);
        _ = Begin(_before, Sha256(), 0);
        var piece = new byte[1 << 20];
        for (long at = 0; at < length - Changing; at += piece.Length)
        {
            Random.Shared.NextBytes(piece);
            var part = piece.AsSpan(0, (int)Math.Min(piece.Length, length - Changing - at));
            RandomAccess.Write(Handle, part, at);
            _ = Update(_before, part, (nuint)part.Length);
        }
        Change();
    }

    public string Path { get; }

    public long Length { get; }

    public SafeFileHandle Handle { get; }

    public string Digest { get; private set; } = "";

    /// <summary>Makes it another blob; its digest.</summary>
    public string Change()
    {
        Random.Shared.NextBytes(_last);
        RandomAccess.Write(Handle, _last, Length - Changing);
        var hash = new byte[32];
        _ = Copy(_whole, _before);
        _ = Update(_whole, _last, Changing);
        return End(_whole, hash, 0) == 1
            ? Digest = $"sha256:{Convert.ToHexStringLower(hash)}"
            : throw new InvalidOperationException("expected a digest of libcrypto, got a failure");
    }

    public void Dispose()
    {
        Handle.Dispose();
        Free(_before);
        Free(_whole);
    }

    [LibraryImport(Crypto, EntryPoint = "EVP_MD_CTX_new")]
    private static partial nint NewContext();

    [LibraryImport(Crypto, EntryPoint = "EVP_MD_CTX_free")]
    private static partial void Free(nint context);

    [LibraryImport(Crypto, EntryPoint = "EVP_sha256")]
    private static partial nint Sha256();

    [LibraryImport(Crypto, EntryPoint = "EVP_DigestInit_ex")]
    private static partial int Begin(nint context, nint kind, nint engine);

    [LibraryImport(Crypto, EntryPoint = "EVP_DigestUpdate")]
    private static partial int Update(nint context, ReadOnlySpan<byte> bytes, nuint length);

    [LibraryImport(Crypto, EntryPoint = "EVP_MD_CTX_copy_ex")]
    private static partial int Copy(nint to, nint from);

    [LibraryImport(Crypto, EntryPoint = "EVP_DigestFinal_ex")]
    private static partial int End(nint context, Span<byte> hash, nint length);
}
