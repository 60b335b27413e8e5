namespace Gateway.PullThrough;

/// <summary>
/// The other replicas of a set. One of them fetches some content from the upstream, and the others read it from there as it grows
/// (docs/replicas.md).
/// </summary>
internal interface IFetchPeers
{
    /// <summary>Makes a fetch known to the other replicas, until the result is disposed of.</summary>
    IFetchTurn Begin(BlobFetch fetch);

    /// <summary>
    /// Content that another replica has as a whole, with its digest checked; null if none has it, or it is larger. Says nothing about
    /// whether a repository has it.
    /// </summary>
    /// <param name="most">Bytes.</param>
    ValueTask<byte[]?> FindSmallAsync(Digest digest, int most, CancellationToken cancellationToken);

    /// <summary>See <see cref="Storage.IOtherReplicas.NamingAsync"/>.</summary>
    ValueTask<IReadOnlyList<Digest>?> NamingAsync(UpstreamRepository source, Digest content, CancellationToken cancellationToken);
}

/// <summary>One fetch among replicas.</summary>
internal interface IFetchTurn : IAsyncDisposable
{
    /// <summary>
    /// Brings the rest of the fetch's part, from another replica or from the upstream, until the part is whole. Throws what
    /// <paramref name="download"/> throws, and never because of another replica.
    /// </summary>
    /// <param name="download">
    /// Brings the rest from the upstream. It can be called again after it was canceled because another replica has taken the turn.
    /// </param>
    /// <param name="started">Called when the first bytes are about to follow.</param>
    Task BringAsync(Func<CancellationToken, Task> download, Action started, CancellationToken cancellationToken);

    /// <summary>Records that the digest matched: this replica can give the content to others.</summary>
    void Verified();

    /// <summary>Records that the digest did not match although other replicas sent some of the bytes: they are avoided.</summary>
    void Misled(IReadOnlyCollection<Uri> peers);
}
