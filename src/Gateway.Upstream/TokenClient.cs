using System.Globalization;
using System.Net;
using System.Text.Json;

namespace Gateway.Upstream;

/// <summary>
/// Gets tokens from a token server (distribution's token specification; its OAuth2 form where GET is not known). Redirects are not
/// followed: the request carries credentials, or is for one who has none to show.
/// </summary>
internal sealed class TokenClient(string upstream, HttpMessageInvoker client, TimeProvider clock, UpstreamMetrics metrics)
{
    // In bytes. Tokens have some KiB; a token server is somebody else's and must not fill our memory.
    private const int LongestAnswer = 64 * 1024;

    // Chosen: as long as a registry may take for its headers; see UpstreamExchange.
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    // Token specification: "if omitted, this defaults to 60 seconds". Counted by our own clock: issued_at may be absent (harbor#23753).
    private const int DefaultSeconds = 60;

    // A right taken away at the upstream is noticed at least so often, whatever the token says.
    private const int MostSeconds = 3600;

    // Renewed before its end, so that a request on its way does not arrive with a dead token.
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(10);

    /// <summary>A new token.</summary>
    /// <exception cref="CredentialRefusedException">The credentials were refused, whatever they were shown for.</exception>
    /// <exception cref="UpstreamException">There was no token for another reason.</exception>
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
            return (answer is null ? null : Read(answer, asked)) ?? throw Misbehaves(key, "sent no token");
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
            // Both may be there (Docker Hub), and one of them empty.
            var value = Text(root, "token") is { Length: > 0 } token ? token : Text(root, "access_token");
            // Into a header it goes, so nothing that would end one.
            if (string.IsNullOrEmpty(value) || value.AsSpan().ContainsAnyExceptInRange('!', '~')) return null;
            var lifetime = TimeSpan.FromSeconds(Math.Min(SecondsOf(root), MostSeconds));
            return new Token(value, asked, asked + lifetime - (Margin < lifetime / 2 ? Margin : lifetime / 2));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Some write it as a string, some as 0; what is not a time is as if it were missing.</summary>
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

/// <summary>A token server did not accept a user name and password at all.</summary>
internal sealed class CredentialRefusedException(Credential credential) : Exception($"the {credential} were refused")
{
    public Credential Credential { get; } = credential;
}
