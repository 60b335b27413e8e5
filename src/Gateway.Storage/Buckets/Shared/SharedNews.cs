namespace Gateway.Storage;

/// <summary>
/// Lets gateways that share a bucket tell each other which repositories they changed, whatever carries the names. Nothing rests on it: a
/// name that is lost, late or false changes only when a copy becomes up to date.
/// </summary>
public sealed class SharedNews
{
    private readonly SharedLogs _logs;
    private readonly SharedPoll _poll;

    internal SharedNews(SharedLogs logs, SharedPoll poll) => (_logs, _poll) = (logs, poll);

    /// <summary>Receives the name of each repository that this gateway has changed; must return at once. Null for nothing.</summary>
    public Action<string>? Tell
    {
        set => _logs.Changed = value;
    }

    /// <summary>Another gateway says that it has changed a repository: this gateway's copy is made up to date soon.</summary>
    /// <param name="repository">The name; text that is not a repository's name is ignored.</param>
    public void Hear(string repository)
    {
        if (RepositoryName.TryParse(repository, out var name)) _poll.Hear(name);
    }
}
