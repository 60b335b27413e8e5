using System.Collections.Immutable;

namespace Gateway.Configuration;

/// <summary>The <c>access</c> section: who may do what.</summary>
internal sealed record AccessOptions
{
    /// <summary>Absolute path of an htpasswd file (bcrypt); null when only <c>anonymous</c> is known.</summary>
    public string? Htpasswd { get; init; }

    /// <summary>Issuers of identity tokens, by the name that their actors and groups begin with.</summary>
    public ImmutableSortedDictionary<string, IssuerOptions> Issuers { get; init; } =
        ImmutableSortedDictionary.Create<string, IssuerOptions>(StringComparer.Ordinal);

    /// <summary>Groups of actors; rules know them as <c>@name</c>.</summary>
    public ImmutableSortedDictionary<string, ImmutableArray<string>> Groups { get; init; } =
        ImmutableSortedDictionary.Create<string, ImmutableArray<string>>(StringComparer.Ordinal);

    /// <summary>Nothing is allowed that no rule allows.</summary>
    public ImmutableArray<AccessRule> Rules { get; init; } = [];
}

/// <summary>Somebody else whose word we take on who an actor is.</summary>
internal sealed record IssuerOptions
{
    /// <summary>The tokens' <c>iss</c>, compared exactly.</summary>
    public string Url { get; init; } = "";

    /// <summary>Absolute path of a JSON Web Key Set; null when the issuer is asked for its keys.</summary>
    public string? Keys { get; init; }

    /// <summary>PEM file of certificate authorities to trust when asking, absolute; null for the system's.</summary>
    public string? CertificateAuthority { get; init; }

    /// <summary>What the tokens' <c>aud</c> must have.</summary>
    public string Audience { get; init; } = "";

    /// <summary>Claim that names the actor.</summary>
    public string Actor { get; init; } = "sub";

    /// <summary>Claim that lists groups; null for none.</summary>
    public string? Groups { get; init; }

    /// <summary>Claims that must be there, as globs.</summary>
    public ImmutableSortedDictionary<string, string> Require { get; init; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>All of it in one line: equal where two say the same.</summary>
    public override string ToString() =>
        $"{Url} {Keys} {CertificateAuthority} {Audience} {Actor} {Groups} {string.Join(' ', Require)}";
}

/// <summary>Actions of an access rule.</summary>
[Flags]
internal enum AccessActions
{
    None = 0,
    Pull = 1,
    Push = 2,
    Delete = 4,

    /// <summary>What an open gateway allows everybody.</summary>
    All = Pull | Push | Delete | Web,

    /// <summary>Deleting evidence that something is admitted by. No other action comes with it.</summary>
    Admin = 8,

    /// <summary>Using the web application of an upstream, on a route with <c>web: forward</c>.</summary>
    Web = 16,
}

internal sealed record AccessRule(ImmutableArray<string> Actors, ImmutableArray<string> Repositories, AccessActions Actions);
