namespace Gateway.Storage;

/// <summary>
/// Locks for the bytes of content. The collector holds one while it checks that content is not in use and moves it away. A writer holds it
/// while it checks for the same content and puts it in place, after it noted the use. They are leaves, and never held during a flush.
/// </summary>
internal sealed class ByteLocks
{
    // Chosen: two writers rarely meet, and one lock is held for a rename.
    private readonly Lock[] _locks = [.. Enumerable.Range(0, 64).Select(static _ => new Lock())];

    /// <summary>The lock of some content.</summary>
    public Lock Of(Digest digest) => _locks[(uint)digest.GetHashCode() % (uint)_locks.Length];
}
