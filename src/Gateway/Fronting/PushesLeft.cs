namespace Gateway.Fronting;

/// <summary>
/// Tells that a push was accepted and is still to be forwarded. Repositories tell, and the queue listens, so that neither knows the other.
/// </summary>
internal sealed class PushesLeft
{
    /// <summary>Raised with the repository's path below the staged root, after the push was committed. Handlers return at once.</summary>
    public event Action<string>? Left;

    /// <summary>Tells that a push was left in the repository of this path.</summary>
    public void Tell(string path) => Left?.Invoke(path);
}
