using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>All of <c>storage.path</c>: its roots, journal, index, uploads and fetches. One process at a time.</summary>
internal sealed class Volume : IAsyncDisposable
{
    /// <summary>
    /// Opens a volume: takes its lock, replays its journal, removes leftovers. Throws <see cref="IOException"/> with one line that says what is wrong
    /// (another process has it, a newer format, not writable).
    /// </summary>
    public static ValueTask<Volume> OpenAsync(string path, TimeProvider clock, ILogger logger, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>A repository of built-in storage; whether it exists shows in what it answers.</summary>
    public StoredRepository Kept(RepositoryName name) => throw new NotImplementedException();

    /// <summary>What is cached of an upstream's repository, under the upstream's own name for it.</summary>
    public StoredRepository Cached(string upstream, RepositoryName name) => throw new NotImplementedException();

    /// <summary>The names of built-in repositories after <paramref name="last"/> in bytewise order, at most <paramref name="count"/>.</summary>
    public ValueTask<Page<RepositoryName>> KeptAfterAsync(string? last, int count, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>The files of fetches under way.</summary>
    public FetchFiles Fetches => throw new NotImplementedException();

    /// <summary>Why no writes are taken; null when they are.</summary>
    public string? ReadOnlyBecause => throw new NotImplementedException();

    /// <summary>Bytes free on the volume for us.</summary>
    public long FreeBytes => throw new NotImplementedException();

    /// <summary>Whether the bytes of this content are in any root.</summary>
    public ValueTask<long?> FindContentAsync(Digest digest, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
