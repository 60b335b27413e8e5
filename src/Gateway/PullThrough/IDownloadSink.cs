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

    /// <summary>Takes the bytes at <see cref="Position"/>. What it throws ends the download: it is no fault of the upstream.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);
}
