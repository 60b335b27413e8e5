using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Bench;

/// <summary>
/// A file of random bytes that becomes another blob at no cost: only its last bytes change, in place, and the state of the hash before them
/// is remembered. So every round has a new digest and the same pages of memory. A virtual machine takes over 1 s of processor time to back
/// 512 MiB of pages that were never used before, which would be charged to the server that comes first.
/// </summary>
internal sealed class BlobFile : IDisposable
{
    private const int Changing = 4096;

    private readonly IncrementalHash _before = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _last = new byte[Changing];

    public BlobFile(string path, long length)
    {
        (Path, Length) = (path, length);
        Handle = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, FileShare.ReadWrite);
        var piece = new byte[1 << 20];
        for (long at = 0; at < length - Changing; at += piece.Length)
        {
            Random.Shared.NextBytes(piece);
            var part = piece.AsSpan(0, (int)Math.Min(piece.Length, length - Changing - at));
            RandomAccess.Write(Handle, part, at);
            _before.AppendData(part);
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
        using var hash = _before.Clone();
        hash.AppendData(_last);
        return Digest = $"sha256:{Convert.ToHexStringLower(hash.GetHashAndReset())}";
    }

    public void Dispose()
    {
        Handle.Dispose();
        _before.Dispose();
    }
}
