namespace Gateway.Access;

/// <summary>
/// The authorization of a request, and the receiver of its changes. Requests can take long: an account can be removed, and a configuration
/// replaced, before they end.
/// </summary>
internal interface IRequestAuthorization
{
    /// <summary>
    /// Whether the account still has the same proof, and the configuration is still in force. Answered from memory, with at most one check
    /// of the accounts file per second.
    /// </summary>
    bool IsValid { get; }

    /// <summary>
    /// Called for each change of the request, before any response about it, in the order of changes. Returns at once and does not throw.
    /// </summary>
    /// <param name="sequence">The change's number; it rises with every change of the volume.</param>
    void Committed(long sequence);
}
