using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Scripted;

/// <summary>
/// The rules of a token server: which users get a token, and in which form. A token is valid for the scopes it was requested for.
/// </summary>
public sealed class TokenAccess
{
    // token → the scopes it was issued for
    private readonly ConcurrentDictionary<string, string[]> _tokens = new();
    private readonly ConcurrentDictionary<string, string> _holders = new();
    private readonly ConcurrentDictionary<string, string> _users = new();

    /// <summary>The one user; null when every client gets a token.</summary>
    public string? Username { get; set; }

    public string? Password { get; set; }

    /// <summary>The refresh token that <c>grant_type=refresh_token</c> must present; null for none.</summary>
    public string? RefreshToken { get; set; }

    /// <summary>Whether a request without credentials gets a token although there is a user.</summary>
    public bool Anonymous { get; set; }

    public string Service { get; set; } = "scripted";

    /// <summary>Seconds sent as <c>expires_in</c>; null sends none. Tokens never expire by themselves: see <see cref="Revoke"/>.</summary>
    public int? ExpiresIn { get; set; } = 300;

    /// <summary>The name of the field: <c>token</c> or <c>access_token</c>.</summary>
    public string Field { get; set; } = "token";

    /// <summary>Whether GET is answered 405, so that only the OAuth2 form of POST works.</summary>
    public bool PostOnly { get; set; }

    /// <summary>Tokens issued so far, including revoked ones.</summary>
    public ConcurrentBag<string> Given { get; } = [];

    /// <summary>A user besides <see cref="Username"/>.</summary>
    public void AddUser(string username, string password) => _users[Basic(username, password)] = username;

    /// <summary>The user of a token; empty for anonymous.</summary>
    internal string HolderOf(string? authorization) => _holders.GetValueOrDefault(authorization ?? "", "");

    /// <summary>Revokes every token issued so far.</summary>
    public void Revoke() => _tokens.Clear();

    /// <summary>Whether the scopes of a token include everything that the request needs.</summary>
    internal bool Accepts(ReceivedRequest received) =>
        received.Authorization is { } shown && shown.StartsWith("Bearer ", StringComparison.Ordinal)
        && _tokens.TryGetValue(shown["Bearer ".Length..], out var scopes)
        && scopes.Any(scope => received.IsCatalog ? scope == "registry:catalog:*"
            : scope.StartsWith($"repository:{received.Name}:", StringComparison.Ordinal)
            && !received.Actions.Split(',').Except(scope[(scope.LastIndexOf(':') + 1)..].Split(',')).Any());

    internal static string Basic(string? username, string? password) =>
        $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{username}:{password}"))}";

    internal async Task AnswerAsync(HttpContext context, ReceivedRequest received, Rule? rule)
    {
        string[] scopes;
        bool known, anonymous;
        if (received.IsGet)
        {
            if (PostOnly)
            {
                context.Response.StatusCode = 405;
                return;
            }
            scopes = [.. context.Request.Query["scope"].OfType<string>()];
            anonymous = received.Authorization is null;
            known = received.Authorization == Basic(Username, Password) || _users.ContainsKey(received.Authorization ?? "");
        }
        else
        {
            var form = QueryHelpers.ParseQuery(received.Form);
            scopes = [.. form["scope"].OfType<string>()];
            anonymous = false;
            known = form["grant_type"] == "refresh_token"
                ? RefreshToken is not null && form["refresh_token"] == RefreshToken
                : form["username"] == Username && form["password"] == Password;
        }
        if ((Username is not null || !_users.IsEmpty || RefreshToken is not null) && !known && !(anonymous && Anonymous))
        {
            context.Response.StatusCode = 401;
            return;
        }
        var token = $"token-{Guid.NewGuid()}";
        _tokens[token] = scopes;
        _holders[$"Bearer {token}"] = _users.GetValueOrDefault(received.Authorization ?? "", "");
        Given.Add(token);
        var answer = new Dictionary<string, object> { [Field] = token };
        if (ExpiresIn is { } seconds) answer["expires_in"] = seconds;
        context.Response.ContentType = "application/json";
        var bytes = JsonSerializer.SerializeToUtf8Bytes(answer);
        if (rule?.Coding is var (code, label))
        {
            bytes = code(bytes);
            context.Response.Headers.ContentEncoding = label;
        }
        await context.Response.Body.WriteAsync(bytes);
    }
}
