using System.Buffers;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>Compares files with their digests.</summary>
internal sealed partial class ContentFiles
{
    // Bytes that are read and hashed at a time, as in fetches.
    private const int BufferSize = 256 * 1024;

    public ValueTask<Examined> ExamineAsync(Digest digest, CancellationToken cancellationToken) =>
        new(Task.Run(() => Examine(digest), cancellationToken));

    /// <summary>Called when a reader could not read some content whole.</summary>
    public Action<Digest>? Suspected { private get; set; }

    private Examined Examine(Digest digest)
    {
        if (damage.IsAside(root, digest)) return new(null, IsDamaged: true);
        if (Disk.LengthOf(root.Data(digest)) is not { } length) return default;
        if (damage.IsKnown(root, digest)) return new(null, IsDamaged: true);
        if (WrongIn(digest) is not { } read) return new(length, IsDamaged: false);
        if (!damage.Found(root, digest, read)) return default;
        open.Forget(root.Lifetime, digest);
        return new(null, IsDamaged: true);
    }

    // The file that does not have its digest; null when it does, or was removed meanwhile.
    private FileFacts? WrongIn(Digest digest)
    {
        using var file = Disk.Open(root.Data(digest));
        if (file is null) return null;
        var facts = Disk.Find(file);
        using var hash = new ContentHash(digest.Algorithm);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            for (long at = 0; RandomAccess.Read(file, buffer, at) is var read and > 0; at += read) hash.AppendData(buffer, 0, read);
        }
        catch (IOException e) when (Damage.IsOfTheDisk(e))
        {
            return facts;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return Digest.FromHash(digest.Algorithm, hash.GetCurrentHash()) == digest ? null : facts;
    }
}
