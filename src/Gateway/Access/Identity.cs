using System.Collections.Immutable;

namespace Gateway.Access;

/// <summary>The identity of a request, by its <c>Authorization</c> header and its connection's certificate.</summary>
internal abstract record Identity
{
    private Identity()
    {
    }

    /// <summary>
    /// An account with a correct password or token, <c>issuer:claim</c> by an identity token, or <c>cert:name</c> by a certificate.
    /// </summary>
    internal sealed record Known(string Actor) : Identity
    {
        /// <summary>The issuer's groups that a rule names, in the form of rules: <c>@issuer:group</c>.</summary>
        public ImmutableArray<string> Groups { get; init; } = [];

        /// <summary>
        /// The issuer (<c>cert</c> for a certificate); null for an account of the gateway, whose name has no colon.
        /// </summary>
        public string? Issuer => Actor.IndexOf(':', StringComparison.Ordinal) is var colon and >= 0 ? Actor[..colon] : null;
    }

    /// <summary>No credentials were sent, or an anonymous token.</summary>
    internal sealed record Anonymous : Identity
    {
        public static readonly Anonymous Instance = new();
    }

    /// <summary>
    /// Credentials were sent and cannot be checked now: 503. After a 401, clients would ask for another password or discard the correct
    /// one.
    /// </summary>
    /// <param name="Why">One line for the client.</param>
    internal sealed record Undecided(string Why) : Identity;

    /// <summary>Wrong credentials were sent: 401, even if none are needed.</summary>
    /// <param name="Reason">One line for the client; the same for an unknown account and a wrong password.</param>
    internal sealed record Wrong(string Reason) : Identity
    {
        /// <summary>
        /// The account of the password, for the log; null if there is no such account, because people type passwords into the name field.
        /// </summary>
        public string? Account { get; init; }
    }
}
