using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>An upload session: survives a restart, belongs to one repository, ends by completion, cancellation or age. One caller at a time holds it.</summary>
internal sealed class Upload : IAsyncDisposable
{
    /// <summary>128 random bits in hex.</summary>
    public string Id => throw new NotImplementedException();

    /// <summary>Bytes received.</summary>
    public long Length => throw new NotImplementedException();

    /// <summary>Who opened it.</summary>
    public string Actor => throw new NotImplementedException();

    public DigestAlgorithm Algorithm => throw new NotImplementedException();

    /// <summary>
    /// Appends what the stream gives until its end. What arrived before a failure of the stream stays received (and <see cref="Length"/> says so).
    /// Throws <see cref="StoreReadOnlyException"/> when the volume is full.
    /// </summary>
    public ValueTask AppendAsync(Stream body, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Flushes the data and says its digest by this algorithm. The session stays open, so that a wrong digest loses nothing; a LinkBlob that names it ends it.</summary>
    public ValueTask<Digest> FinishAsync(DigestAlgorithm algorithm, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Ends the session and removes what it received.</summary>
    public ValueTask CancelAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Lets the next caller have the session.</summary>
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
