using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Primitives;

namespace Gateway.Access;

/// <summary>A client's request to the token endpoint (distribution, "Token Authentication" and "OAuth2 Token Authentication").
/// Its <c>scope</c> is ignored, because rights follow the identity and a token adds none.</summary>
internal sealed record TokenRequest
{
    /// <summary>Null for GET; <c>password</c> or <c>refresh_token</c> for POST.</summary>
    public string? GrantType { get; init; }

    public string? Username { get; init; }

    public string? Password { get; init; }

    public string? RefreshToken { get; init; }

    /// <summary>
    /// <c>access_type=offline</c>: the client also requests a refresh token. The <c>offline_token=true</c> that docker login sends by GET
    /// is ignored: docker would store the refresh token in place of the password, and refresh tokens end with the process.
    /// </summary>
    public bool Offline { get; init; }

    /// <summary>Reads a request from the values of a form.</summary>
    public static TokenRequest From(IEnumerable<KeyValuePair<string, StringValues>> values)
    {
        var byName = values.ToDictionary(pair => pair.Key, pair => pair.Value.Count > 0 ? pair.Value[0] : null, StringComparer.Ordinal);
        return new()
        {
            GrantType = byName.GetValueOrDefault("grant_type"),
            Username = byName.GetValueOrDefault("username"),
            Password = byName.GetValueOrDefault("password"),
            RefreshToken = byName.GetValueOrDefault("refresh_token"),
            Offline = byName.GetValueOrDefault("access_type") == "offline",
        };
    }

    /// <summary>Names the account, never the secret.</summary>
    public override string ToString() => $"token request of {Username ?? "the Authorization header"}";
}

/// <summary>The response of the token endpoint.</summary>
internal abstract record TokenAnswer
{
    private TokenAnswer()
    {
    }

    /// <summary>200, with this body.</summary>
    /// <param name="Actor">The actor of the token; null for anonymous.</param>
    internal sealed record Issued(TokenGrant Grant, string? Actor) : TokenAnswer
    {
        public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(Grant, TokenJson.Default.TokenGrant);
    }

    /// <summary>401 <c>UNAUTHORIZED</c>: wrong credentials.</summary>
    /// <param name="Account">The account of the password; null if there is no such account.</param>
    internal sealed record Refused(string Reason, string? Account) : TokenAnswer;

    /// <summary>503: the credentials cannot be checked now.</summary>
    internal sealed record Unavailable(string Why) : TokenAnswer;

    /// <summary>400: an invalid request, such as one with another <c>grant_type</c>.</summary>
    internal sealed record Malformed(string Reason) : TokenAnswer;
}

/// <summary>The body of a token response; it has both names of the token, because clients read either.</summary>
/// <param name="ExpiresIn">Seconds.</param>
/// <param name="RefreshToken">Null unless it was requested; always null for anonymous.</param>
internal sealed record TokenGrant(
    [property: JsonPropertyName("token")] string Token,
    [property: JsonPropertyName("access_token")] string AccessToken,
    [property: JsonPropertyName("expires_in")] int ExpiresIn,
    [property: JsonPropertyName("issued_at")] DateTimeOffset IssuedAt,
    [property: JsonPropertyName("refresh_token"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? RefreshToken);

[JsonSerializable(typeof(TokenGrant))]
internal sealed partial class TokenJson : JsonSerializerContext;
