using System.Net;
using BitFaster.Caching.Lru;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// Finds out whether a 401 means that the password is wrong, or only that the account has no right to that request. It sends the password
/// to the upstream's base endpoint (distribution-spec, "Determining Support": <c>GET /v2/</c>): if that answers 401 too, the password is
/// wrong.
/// </summary>
/// <param name="client">The connections to the upstream.</param>
/// <param name="clock">The clock for the lifetime of answers and the deadline.</param>
internal sealed class PasswordCheck(HttpMessageInvoker client, TimeProvider clock)
{
    // Chosen: the gateway notices a changed password within a minute; refused requests cost one more request per minute.
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(1);

    // Chosen: the time that a registry has for its headers; see UpstreamExchange.
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    // Chosen: about 100 KiB. With `auth: passthrough` there is one password per client.
    private const int MaxEntries = 1024;

    private readonly Lock _lock = new();
    private readonly ConcurrentLru<(Uri Endpoint, string CredentialId), (Task<bool> Refuses, DateTimeOffset Asked)> _answers =
        new(MaxEntries);

    /// <summary>
    /// Whether the endpoint answers 401 to this password. False for any other answer, and for no answer. Concurrent callers share one
    /// request.
    /// </summary>
    public Task<bool> RefusesAsync(Uri endpoint, Credential credential, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var (key, now) = ((endpoint, credential.Id), clock.GetUtcNow());
            if (!_answers.TryGet(key, out var known) || now - known.Asked >= Lifetime)
            {
                known = (Task.Run(() => AskAsync(endpoint, credential), CancellationToken.None), now);
                _answers.AddOrUpdate(key, known);
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
