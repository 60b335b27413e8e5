namespace Gateway.Fronting;

/// <summary>
/// Announces that a push was accepted and waits to be forwarded. It keeps repositories and the queue independent of each other.
/// </summary>
internal sealed class AcceptedPushes
{
    /// <summary>Raised with the repository's path below the staged root, after the push was committed. Handlers return at once.</summary>
    public event Action<string>? Accepted;

    /// <summary>Announces a push to the repository of this path.</summary>
    public void Tell(string path) => Accepted?.Invoke(path);
}
