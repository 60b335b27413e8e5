using System.Net;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// Asks an upstream's base endpoint (distribution-spec, "Determining Support": <c>GET /v2/</c>) whether it refuses a password, after a
/// request with that password was answered 401: only then is the password wrong; otherwise the 401 was about that request.
/// </summary>
internal sealed class PasswordCheck(HttpMessageInvoker client, TimeProvider clock)
{
    // Chosen: a password that is changed at the upstream is found within a minute, and refused requests cost one request more a minute.
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(1);

    // Chosen: as long as a registry may take for its headers; see UpstreamExchange.
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    // Chosen: some 100 KiB. Passthrough upstreams see one password for each client.
    private const int MaxEntries = 1024;

    private readonly Lock _lock = new();
    private readonly RecentlyUsed<(Uri Endpoint, string CredentialId), (Task<bool> Refuses, DateTimeOffset Asked)> _answers =
        new(MaxEntries);

    /// <summary>
    /// Whether the endpoint answers 401 to this password. Any other answer, and none, says no. One question for all who wait.
    /// </summary>
    public Task<bool> RefusesAsync(Uri endpoint, Credential credential, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var (key, now) = ((endpoint, credential.Id), clock.GetUtcNow());
            if (!_answers.TryGet(key, out var known) || now - known.Asked >= Lifetime)
            {
                known = (Task.Run(() => AskAsync(endpoint, credential), CancellationToken.None), now);
                _answers.Set(key, known);
            }
            return known.Refuses.WaitAsync(cancellationToken);
        }
    }

    private async Task<bool> AskAsync(Uri endpoint, Credential credential)
    {
        using var deadline = new CancellationTokenSource(Timeout, clock);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(endpoint, "/v2/"));
        request.Headers.TryAddWithoutValidation("Authorization", credential.Basic);
        request.Headers.TryAddWithoutValidation("User-Agent", "gateway");
        try
        {
            using var response = await client.SendAsync(request, deadline.Token);
            return response.StatusCode == HttpStatusCode.Unauthorized;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return false;
        }
    }
}
