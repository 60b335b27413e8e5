namespace Gateway.PullThrough;

/// <summary>Where a download's bytes go, in order.</summary>
internal interface IDownloadSink
{
    /// <summary>Offset of the next byte that is wanted.</summary>
    long Position { get; }

    /// <summary>One past the last byte that is wanted; null for the blob's end. May come nearer, but not to what was just read.</summary>
    long? End { get; }

    /// <summary>The blob's length; null while nobody has said.</summary>
    long? Length { get; set; }

    /// <summary>
    /// Takes the bytes at <see cref="Position"/>. The sink may still read them after this returns; the caller must not change them before
    /// its next call of this or of <see cref="FlushAsync"/> has returned. An exception ends the download: the upstream did not cause it.
    /// </summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>Returns when the sink reads no bytes any more. Throws what the work on the last bytes threw.</summary>
    ValueTask FlushAsync();
}
