namespace Gateway.Access;

/// <summary>
/// What a request was let in by. Requests take long: an account may be removed, and a configuration replaced, before they end.
/// </summary>
internal interface IStanding
{
    /// <summary>
    /// Whether the account is still known by what it was known by, and the configuration still in force. Answered from memory, or by one
    /// look at the file of accounts a second.
    /// </summary>
    bool Holds { get; }
}
