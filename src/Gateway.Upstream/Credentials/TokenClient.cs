using System.Globalization;
using System.Net;
using System.Text.Json;

namespace Gateway.Upstream;

/// <summary>
/// Gets tokens from a token server by distribution's token specification, or by its OAuth2 variant if the server does not support GET. It
/// does not follow redirects, because they could lead credentials outside the trust boundary.
/// </summary>
/// <param name="upstream">The upstream's key in the configuration.</param>
/// <param name="client">The connections to the upstream and its token servers.</param>
internal sealed class TokenClient(string upstream, HttpMessageInvoker client, TimeProvider clock, UpstreamMetrics metrics)
{
    // In bytes. Chosen: tokens have a few KiB, and a foreign token server must not fill the gateway's memory.
    private const int LongestAnswer = 64 * 1024;

    // Chosen: the time that a registry has for its headers; see UpstreamExchange.
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    // Token specification: "if omitted, this defaults to 60 seconds". Counted from the request, since issued_at can be absent
    // (harbor#23753).
    private const int DefaultSeconds = 60;

    // Chosen: the gateway notices a right that was revoked at the upstream within an hour, regardless of the token's lifetime.
    private const int MostSeconds = 3600;

    // Chosen: a token is renewed before it expires, so that it is still valid when a request arrives.
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(10);

    /// <summary>Fetches a new token.</summary>
    /// <param name="credential">The credential to send; null for an anonymous token.</param>
    /// <exception cref="CredentialRefusedException">The token server refused the credential itself.</exception>
    /// <exception cref="UpstreamException">The token server gave no token for another reason.</exception>
    public async Task<Token> FetchAsync(TokenKey key, Credential? credential)
    {
        try
        {
            using var deadline = new CancellationTokenSource(Timeout, clock);
            var token = await FetchAsync(key, credential, deadline.Token);
            metrics.TokenRequested("ok");
            return token;
        }
        catch (Exception e)
        {
            var refused = e is CredentialRefusedException or UpstreamException { Failure: UpstreamFailure.Unauthorized };
            metrics.TokenRequested(refused ? "refused" : "failed");
            if (e is CredentialRefusedException) throw;
            var known = e as UpstreamException
                ?? UpstreamFailures.OfConnection($"upstream {upstream}: token server {new Uri(key.Realm).Authority}", e);
            throw new UpstreamException(known.Failure, known.Message, known.RetryAfter, known.Status, e) { IsOfTokenServer = true };
        }
    }

    private async Task<Token> FetchAsync(TokenKey key, Credential? credential, CancellationToken cancellationToken)
    {
        var asked = clock.GetUtcNow();
        var response = credential?.IsRefreshToken == true
            ? await client.SendAsync(Post(key, credential), cancellationToken)
            : await client.SendAsync(Get(key, credential), cancellationToken);
        if (response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed && credential is { IsRefreshToken: false })
        {
            response.Dispose();
            response = await client.SendAsync(Post(key, credential), cancellationToken);
        }
        using (response)
        {
            if (!response.IsSuccessStatusCode) throw Refusal(key, credential, response);
            await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
            var answer = await BoundedBody.ReadAsync(body, LongestAnswer, cancellationToken);
            if (answer is not null)
                answer = await ContentEncodings.DecodeAsync(answer, ContentEncodings.Of(response.Content.Headers), LongestAnswer) ?? answer;
            return (answer is null ? null : Read(answer, asked)) ?? throw Misbehaves(key, "answered 200 without a token");
        }
    }

    private static HttpRequestMessage Get(TokenKey key, Credential? credential)
    {
        var separator = key.Realm.Contains('?') ? '&' : '?';
        var service = key.Service.Length == 0 ? "" : $"service={Uri.EscapeDataString(key.Service)}&";
        var request = new HttpRequestMessage(HttpMethod.Get, $"{key.Realm}{separator}{service}scope={Uri.EscapeDataString(key.Scope)}");
        if (credential is not null) request.Headers.TryAddWithoutValidation("Authorization", credential.Basic);
        return request;
    }

    private static HttpRequestMessage Post(TokenKey key, Credential credential)
    {
        var form = new Dictionary<string, string> { ["service"] = key.Service, ["scope"] = key.Scope, ["client_id"] = "gateway" };
        if (credential.IsRefreshToken) (form["grant_type"], form["refresh_token"]) = ("refresh_token", credential.Secret);
        else (form["grant_type"], form["username"], form["password"]) = ("password", credential.Username, credential.Secret);
        return new HttpRequestMessage(HttpMethod.Post, key.Realm) { Content = new FormUrlEncodedContent(form) };
    }

    private Exception Refusal(TokenKey key, Credential? credential, HttpResponseMessage response)
    {
        if (response.StatusCode == HttpStatusCode.Unauthorized && credential is not null) return new CredentialRefusedException(credential);
        var status = (int)response.StatusCode;
        var what = $"upstream {upstream}: token server {new Uri(key.Realm).Authority} answered {status} for {key.Scope}";
        return status switch
        {
            400 or 401 or 403 => new UpstreamException(UpstreamFailure.Unauthorized, what, status: status),
            429 or 408 or >= 500 => UpstreamFailures.OfStatus(what, response, clock.GetUtcNow()),
            _ => Misbehaves(key, $"answered {status}"),
        };
    }

    internal static Token? Read(byte[] answer, DateTimeOffset asked)
    {
        try
        {
            using var document = JsonDocument.Parse(answer);
            var root = document.RootElement;
            // The answer can have both (Docker Hub), and one of them can be empty.
            var value = Text(root, "token") is { Length: > 0 } token ? token : Text(root, "access_token");
            // The token becomes part of a header, so it must not contain a line break or other unprintable characters.
            if (string.IsNullOrEmpty(value) || value.AsSpan().ContainsAnyExceptInRange('!', '~')) return null;
            var lifetime = TimeSpan.FromSeconds(Math.Min(SecondsOf(root), MostSeconds));
            return new Token(value, asked, asked + lifetime - (Margin < lifetime / 2 ? Margin : lifetime / 2));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>
    /// The token's lifetime in seconds. Some servers send it as a string, some send 0; an unusable value counts as missing.
    /// </summary>
    private static double SecondsOf(JsonElement root)
    {
        var seconds = !root.TryGetProperty("expires_in", out var said) ? 0
            : said.ValueKind == JsonValueKind.Number ? said.GetDouble()
            : said.ValueKind == JsonValueKind.String
                && double.TryParse(said.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var written) ? written
            : 0;
        return seconds > 0 ? seconds : DefaultSeconds;
    }

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private UpstreamException Misbehaves(TokenKey key, string what) =>
        new(UpstreamFailure.Misbehaving, $"upstream {upstream}: token server {new Uri(key.Realm).Authority} {what}");
}

/// <summary>A token server refused a user name and password, regardless of the scope.</summary>
internal sealed class CredentialRefusedException(Credential credential) : Exception($"the token server refused the {credential}")
{
    public Credential Credential { get; } = credential;
}
