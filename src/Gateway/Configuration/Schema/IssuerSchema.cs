using System.Collections.Immutable;

namespace Gateway.Configuration;

/// <summary>One entry of <c>access.issuers</c>.</summary>
internal static class IssuerSchema
{
    /// <summary>Name of the issuer in actors and groups, so it must not contain characters with a meaning there.</summary>
    public static readonly Scalar<string> Key = Scalars.Matching(
        "a name of letters, digits, dots and dashes such as github",
        text => text.Length is > 0 and <= 64 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-'));

    private static readonly Section<IssuerOptions> Issuer = new(() => new(), Check)
    {
        {
            "url", Addresses.Issuer, new Required(),
            "Exact `iss` of the tokens; the gateway finds the issuer's keys below it (OpenID Connect Discovery), over https.",
            (o, v) => o with { Url = v }
        },
        {
            "keys", Scalars.ReadableFile, "(those that the issuer publishes)",
            "File with the issuer's keys (JSON Web Key Set), in place of a request to the issuer; read again after an hour.",
            (o, v) => o with { Keys = v }
        },
        {
            "certificateAuthority", Scalars.ReadableFile, "(the system's)",
            "PEM file of the authorities to trust when the gateway requests the keys.", (o, v) => o with { CertificateAuthority = v }
        },
        {
            "audience", Scalars.Text, new Required(),
            "Required in the tokens' `aud`: a name of this gateway that no other service uses.", (o, v) => o with { Audience = v }
        },
        {
            "actor", Scalars.Text, "sub", "Claim that names the actor; in rules it is `<issuer>:<claim>`.",
            (o, v) => o with { Actor = v }
        },
        {
            "groups", Scalars.Text, "(none)", "Claim that lists the actor's groups; in rules they are `@<issuer>:<group>`.",
            (o, v) => o with { Groups = v }
        },
        {
            "require", new MapOf<string>(Scalars.Text, Scalars.Glob), "{}", "Claims that a token must have, as patterns.",
            (o, v) => o with { Require = v }
        },
    };

    public static readonly MapOf<IssuerOptions> Issuers = new(Key, Issuer);

    private static void Check(IssuerOptions issuer, string path, Reading reading)
    {
        if (issuer.Keys is not null && issuer.CertificateAuthority is not null)
            {
                reading.Add(
                    Reading.Join(path, "certificateAuthority"),
                    "has no effect with keys, because the gateway then does not contact the issuer; remove it");
            }
    }
}
