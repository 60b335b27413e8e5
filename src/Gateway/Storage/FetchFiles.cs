using Gateway.Oci;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary><c>gateway/fetches/</c>: the growing files of fetches under way. A part that a stop left behind can be taken up again.</summary>
internal sealed class FetchFiles
{
    /// <summary>
    /// Opens the part of this digest, new or left behind, and reserves <paramref name="size"/> bytes for it where the size is known. Null when there is no room.
    /// At most one is open per digest; the caller sees to that.
    /// </summary>
    public FetchFile? Open(Digest digest, long? size) => throw new NotImplementedException();
}

/// <summary>One growing file. Written by one; read by many at once, below what was written.</summary>
internal sealed class FetchFile : IAsyncDisposable
{
    /// <summary>For reads by <see cref="RandomAccess"/> and by sendfile.</summary>
    public SafeFileHandle Handle => throw new NotImplementedException();

    /// <summary>Bytes that a stop left behind, not yet hashed again; 0 for a new part.</summary>
    public long LeftBehind => throw new NotImplementedException();

    /// <summary>Writes bytes at an offset. Throws <see cref="IOException"/> when the volume is full or ill.</summary>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>
    /// The content is complete and its digest was checked: flushes it and moves it into the cached root, after which every repository that links it has it.
    /// </summary>
    public ValueTask PublishAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>The content is wrong: removes the part. Readers that hold the handle keep it.</summary>
    public void Discard() => throw new NotImplementedException();

    /// <summary>Closes the file when its last reader has; an unpublished, undiscarded part is left for later.</summary>
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
