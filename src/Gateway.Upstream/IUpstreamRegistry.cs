
namespace Gateway.Upstream;

/// <summary>One upstream: its endpoints, credentials, tokens and trust boundary behind one call.</summary>
public interface IUpstreamRegistry
{
    RegistryOptions Options { get; }

    /// <summary>
    /// Sends one request, with tokens, redirects and other endpoints as needed. Answers 2xx, 304, 404 (also for 410), 405, 416, 501; to a
    /// write 2xx, and 404 where something is deleted; throws <see cref="UpstreamException"/> for the rest.
    /// </summary>
    Task<UpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken);

    /// <summary>Whether HEAD is of use there.</summary>
    HeadUse Heads { get; }

    /// <summary>What the upstream's rate limit leaves those who ask; null where there is none, or none was told.</summary>
    RateLimit? RateLimit { get; }

    /// <summary>The same upstream, asked with a client's own credentials and no others; with none where he showed none.</summary>
    IUpstreamRegistry As(Credential? client);

    /// <summary>Notes that a body from this endpoint broke off or was wrong, so that the breaker knows.</summary>
    void Report(Uri endpoint, bool wrong);
}
