namespace Gateway.Access;

/// <summary>
/// What a request was let in by, and where it is told of what it changed. Requests take long: an account may be removed, and a
/// configuration replaced, before they end.
/// </summary>
internal interface IRequestAuthorization
{
    /// <summary>
    /// Whether the account is still known by what it was known by, and the configuration still in force. Answered from memory, or by one
    /// look at the file of accounts a second.
    /// </summary>
    bool Holds { get; }

    /// <summary>
    /// Told when a change was made for the request, before anybody is answered for it, in the order in which changes are made. Returns at
    /// once, and does not throw.
    /// </summary>
    /// <param name="sequence">The change's number; it rises with every change of the volume.</param>
    void Committed(long sequence);
}
