using System.Diagnostics.CodeAnalysis;

namespace Gateway.Storage;

/// <summary>
/// The buffers of parts: their number bounds the memory of all uploads together. A caller that holds one waits for nothing but the bucket
/// or the local disk.
/// </summary>
/// <param name="count">Buffers at a time.</param>
/// <param name="bytes">Bytes of each.</param>
[SuppressMessage("Design", "CA1001", Justification = "It lives as long as the process, and no wait handle is made of it.")]
internal sealed class PartBuffers(int count, int bytes)
{
    private readonly SemaphoreSlim _free = new(count, count);
    private readonly Stack<byte[]> _unused = [];

    public int Bytes => bytes;

    /// <summary>Waits for a buffer; the caller disposes of it.</summary>
    public async ValueTask<PartBuffer> RentAsync(CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken);
        lock (_unused) return new(this, _unused.TryPop(out var buffer) ? buffer : GC.AllocateUninitializedArray<byte>(bytes));
    }

    internal void Return(byte[] buffer)
    {
        lock (_unused) _unused.Push(buffer);
        _free.Release();
    }
}

internal sealed class PartBuffer(PartBuffers owner, byte[] bytes) : IDisposable
{
    private byte[]? _bytes = bytes;

    /// <summary>The whole buffer.</summary>
    public byte[] Bytes => _bytes ?? throw new ObjectDisposedException(nameof(PartBuffer));

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _bytes, null) is { } returned) owner.Return(returned);
    }
}
