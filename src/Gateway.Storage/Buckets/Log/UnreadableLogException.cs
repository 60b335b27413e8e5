namespace Gateway.Storage;

/// <summary>
/// An object of a repository's log that this version cannot read. Nothing is written over it. The message says which object it is, what is
/// wrong with it, and what to do.
/// </summary>
internal sealed class UnreadableLogException : IOException
{
    /// <summary>A damaged object.</summary>
    public UnreadableLogException(string repository, string key, InvalidDataException damage)
        : base(
            $"the log of {repository} in the bucket is damaged ({key}: {damage.Message}); restore this object from a version or a "
            + "backup of the bucket; if there is none, docs/buckets.md says how the repository is adopted again without it",
            damage) =>
        ForClients = $"the log of {repository} in the bucket of this registry is damaged; run gateway doctor";

    /// <summary>An object that a newer version of the gateway wrote.</summary>
    public UnreadableLogException(string repository, string key, NewerRecordException newer)
        : base($"a newer version of the gateway wrote the log of {repository} in the bucket ({key}: {newer.Message})", newer) =>
        ForClients = $"a newer version of the gateway wrote the log of {repository}; upgrade this gateway";

    /// <summary>What a client may see: no key, and no bytes of the object.</summary>
    public string ForClients { get; }

    /// <summary>The message alone: the stack says nothing about the object.</summary>
    public override string ToString() => Message;
}
