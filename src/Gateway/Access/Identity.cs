using System.Collections.Immutable;

namespace Gateway.Access;

/// <summary>Who a request comes from, as far as its <c>Authorization</c> header and its connection's certificate show.</summary>
internal abstract record Identity
{
    private Identity()
    {
    }

    /// <summary>
    /// An account whose password or token was right, <c>issuer:claim</c> by the word of an issuer, or <c>cert:name</c> by a certificate.
    /// </summary>
    internal sealed record Known(string Actor) : Identity
    {
        /// <summary>The issuer's groups that some rule names, as rules do: <c>@issuer:group</c>.</summary>
        public ImmutableArray<string> Groups { get; init; } = [];

        /// <summary>
        /// The issuer whose word it is (<c>cert</c> for a certificate's); null for an account of our own, whose name has no colon.
        /// </summary>
        public string? Issuer => Actor.IndexOf(':', StringComparison.Ordinal) is var colon and >= 0 ? Actor[..colon] : null;
    }

    /// <summary>No credentials were sent, or a token that was issued to nobody in particular.</summary>
    internal sealed record Anonymous : Identity
    {
        public static readonly Anonymous Instance = new();
    }

    /// <summary>
    /// Credentials were sent and cannot be checked now: 503, never 401, at which clients ask for another password or drop the right one.
    /// </summary>
    /// <param name="Why">One line for the client.</param>
    internal sealed record Undecided(string Why) : Identity;

    /// <summary>Credentials were sent and are not right: 401, even where nobody would have had to show any.</summary>
    /// <param name="Reason">One line for the client; the same for an unknown account and a wrong password.</param>
    internal sealed record Wrong(string Reason) : Identity
    {
        /// <summary>
        /// Whose password was meant, for the log; null where no such account is: people type passwords where names belong.
        /// </summary>
        public string? Account { get; init; }
    }
}
