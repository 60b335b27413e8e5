namespace Gateway.Upstream;

/// <summary>One upstream, with its endpoints, accounts, tokens and trust boundary.</summary>
public interface IUpstreamRegistry
{
    /// <summary>How the gateway reaches the upstream.</summary>
    RegistryOptions Options { get; }

    /// <summary>
    /// Sends one request, with tokens, redirects and other endpoints as needed. The status of the response to a read is 2xx, 304, 404 (also
    /// for 410), 405, 416 or 501; to a write, 2xx, or 404 for a deletion.
    /// </summary>
    /// <exception cref="UpstreamException">The upstream gave no answer, or one with another status.</exception>
    /// <exception cref="UpstreamHeldException">The rate budget is too low for this request.</exception>
    Task<UpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken);

    /// <summary>Whether HEAD works at the upstream.</summary>
    HeadUse Heads { get; }

    /// <summary>What remains of the upstream's rate limit, over all accounts; null if the limit is unknown or there is none.</summary>
    RateLimit? RateLimit { get; }

    /// <summary>The same upstream with a client's own credential as its only account.</summary>
    /// <param name="client">The client's credential; null to send requests without credentials.</param>
    IUpstreamRegistry As(Credential? client);

    /// <summary>Reports to the breaker that a body from this endpoint failed.</summary>
    /// <param name="endpoint">The endpoint that sent the body.</param>
    /// <param name="wrong">True if the body had the wrong digest; false if it was interrupted.</param>
    void Report(Uri endpoint, bool wrong);
}
