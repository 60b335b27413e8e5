using System.Collections.Immutable;

namespace Gateway.Configuration;

/// <summary>The <c>access</c> section: the rights of each actor.</summary>
internal sealed record AccessOptions
{
    /// <summary>Absolute path of an htpasswd file (bcrypt); null if only <c>anonymous</c> is known.</summary>
    public string? Htpasswd { get; init; }

    /// <summary>Absolute path of the file with the key of the gateway's own tokens; null for a key of this process alone.</summary>
    public string? TokenKeyFile { get; init; }

    /// <summary>Issuers of identity tokens, by name; their actors and groups begin with this name.</summary>
    public ImmutableSortedDictionary<string, IssuerOptions> Issuers { get; init; } =
        ImmutableSortedDictionary.Create<string, IssuerOptions>(StringComparer.Ordinal);

    /// <summary>Groups of actors; in rules they are <c>@name</c>.</summary>
    public ImmutableSortedDictionary<string, ImmutableArray<string>> Groups { get; init; } =
        ImmutableSortedDictionary.Create<string, ImmutableArray<string>>(StringComparer.Ordinal);

    /// <summary>Everything without a rule is refused.</summary>
    public ImmutableArray<AccessRule> Rules { get; init; } = [];
}

/// <summary>An external issuer of identity tokens that the gateway trusts.</summary>
internal sealed record IssuerOptions
{
    /// <summary>The tokens' <c>iss</c>, compared exactly.</summary>
    public string Url { get; init; } = "";

    /// <summary>Absolute path of a JSON Web Key Set; null to request the keys from the issuer.</summary>
    public string? Keys { get; init; }

    /// <summary>Absolute path of a PEM file of the certificate authorities to trust for that request; null for the system's.</summary>
    public string? CertificateAuthority { get; init; }

    /// <summary>Required in the tokens' <c>aud</c>.</summary>
    public string Audience { get; init; } = "";

    /// <summary>Claim that names the actor.</summary>
    public string Actor { get; init; } = "sub";

    /// <summary>Claim that lists groups; null for none.</summary>
    public string? Groups { get; init; }

    /// <summary>Required claims, as globs.</summary>
    public ImmutableSortedDictionary<string, string> Require { get; init; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>All options in one line; equal options have equal text.</summary>
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

    /// <summary>The rights of every client of a gateway without <c>access</c>.</summary>
    All = Pull | Push | Delete | Web,

    /// <summary>Deleting evidence that admits other content. It includes no other action.</summary>
    Admin = 8,

    /// <summary>Using the web application of an upstream, on a route with <c>web: forward</c>.</summary>
    Web = 16,
}

internal sealed record AccessRule(ImmutableArray<string> Actors, ImmutableArray<string> Repositories, AccessActions Actions);
