namespace Gateway.PullThrough;

/// <summary>Receives a download's bytes, in order.</summary>
internal interface IDownloadSink
{
    /// <summary>Offset of the next byte that the sink needs.</summary>
    long Position { get; }

    /// <summary>
    /// One past the last byte that the sink needs; null for the blob's end. It may decrease, but not below bytes that were read.
    /// </summary>
    long? End { get; }

    /// <summary>The blob's length; null while it is unknown.</summary>
    long? Length { get; set; }

    /// <summary>
    /// Takes the bytes at <see cref="Position"/>. The sink may still read them after this returns; the caller must not change them before
    /// its next call of this or of <see cref="FlushAsync"/> has returned. An exception ends the download: the upstream did not cause it.
    /// </summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>Returns when the sink no longer reads any bytes. Throws what the work on the last bytes threw.</summary>
    ValueTask FlushAsync();
}
