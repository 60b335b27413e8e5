using System.Collections.Immutable;

namespace Gateway.Upstream;

/// <summary>
/// One upstream for web requests, which the gateway forwards to the upstream's web application as clients send them. Web requests share
/// endpoints and their health with fetches and pushes. They have separate connections, so that they cannot use up those of pulls.
/// </summary>
public sealed class UpstreamWeb
{
    private readonly RegistryOptions _options;
    private readonly UpstreamCluster _cluster;
    private readonly ImmutableDictionary<Uri, Breaker> _breakers;
    private readonly ILogger _logger;

    internal UpstreamWeb(
        RegistryOptions options, UpstreamCluster cluster, ImmutableDictionary<Uri, Breaker> breakers, HttpMessageInvoker client,
        ILogger logger) => (_options, _cluster, _breakers, Client, _logger) = (options, cluster, breakers, client, logger);

    /// <summary>The upstream's key in the configuration.</summary>
    public string Key => _options.Key;

    /// <summary>The upstream's endpoints: scheme, host and port.</summary>
    public ImmutableArray<Uri> Urls => _options.Urls;

    /// <summary>Sends requests to the endpoints, within the upstream's trust boundary, and adds no credentials.</summary>
    public HttpMessageInvoker Client { get; }

    /// <summary>
    /// The endpoints whose breakers let a request through, in the order of the configuration; those whose last probe failed are last. For
    /// each endpoint that the caller takes, it must call <see cref="Answered"/>, <see cref="Failed"/> or <see cref="Abandoned"/>.
    /// </summary>
    public IEnumerable<Uri> Endpoints()
    {
        IEnumerable<Uri> ordered = Urls.Length == 1 ? Urls : Urls.Distinct().OrderBy(url => _cluster.IsUnhealthy(url) ? 1 : 0);
        foreach (var endpoint in ordered)
        {
            if (_breakers[endpoint].TryEnter(out _)) yield return endpoint;
        }
    }

    /// <summary>Records that the endpoint answered, with any status.</summary>
    public void Answered(Uri endpoint) => _breakers[endpoint].Succeeded();

    /// <summary>
    /// Records that no connection to the endpoint could be made. After three failures in a row, the breaker stops all requests to the
    /// endpoint for up to 10 s.
    /// </summary>
    /// <param name="why">The reason, for the log.</param>
    public void Failed(Uri endpoint, string why)
    {
        var pause = _breakers[endpoint].Failed(null);
        if (pause == TimeSpan.Zero) return;
        _cluster.Exclude(endpoint, pause);
        Log.EndpointExcluded(_logger, _options.Key, endpoint.Authority, pause.TotalSeconds, why);
    }

    /// <summary>Records that the request ended before the endpoint answered.</summary>
    public void Abandoned(Uri endpoint) => _breakers[endpoint].Abandoned();
}
