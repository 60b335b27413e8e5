namespace Gateway.Storage;

/// <summary>Where a local copy of some content comes from: one reader's access to a store on another machine.</summary>
internal interface IContentSource
{
    /// <summary>The digest under which the bytes are stored.</summary>
    Digest Digest { get; }

    /// <summary>Bytes of the whole content.</summary>
    long Length { get; }

    /// <summary>
    /// Opens the bytes of a range, in one request. Throws <see cref="FileNotFoundException"/> when the store does not have them any more,
    /// and another <see cref="IOException"/> when it does not answer.
    /// </summary>
    /// <param name="end">One past the last byte.</param>
    ValueTask<ObjectBody> OpenAsync(long offset, long end, CancellationToken cancellationToken);

    /// <summary>
    /// Passes a range on to a reader, without a copy and without a check of the digest. Returns the ETag of the object; null when it was
    /// replaced in between.
    /// </summary>
    /// <param name="offset">See <see cref="OpenAsync"/>.</param>
    /// <param name="end">See <see cref="OpenAsync"/>.</param>
    ValueTask<string?> PassAsync(IBodyWriter writer, long offset, long end, CancellationToken cancellationToken);

    /// <summary>Records that the object with this ETag does not have the digest.</summary>
    void IsWrong(string etag);
}
