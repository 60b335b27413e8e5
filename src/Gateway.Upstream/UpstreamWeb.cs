using System.Collections.Immutable;
using Microsoft.Extensions.Logging;

namespace Gateway.Upstream;

/// <summary>
/// One upstream for requests that are forwarded to its web application as clients send them. It chooses among the same endpoints, by the
/// same health, as fetches and pushes do; connections are its own, so that pages cannot take those of pulls.
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

    /// <summary>Sends to any of the endpoints, within the upstream's trust boundary. Adds no credentials.</summary>
    public HttpMessageInvoker Client { get; }

    /// <summary>
    /// The endpoints that may be tried now, in the order in which they are configured, those that a probe found dead last. Each one that is
    /// taken from the list must be followed by <see cref="Answered"/>, <see cref="Failed"/> or <see cref="Abandoned"/>.
    /// </summary>
    public IEnumerable<Uri> Endpoints()
    {
        foreach (var endpoint in Urls.Length == 1 ? Urls : (IEnumerable<Uri>)Urls.Distinct().OrderBy(url => _cluster.IsIll(url) ? 1 : 0))
        {
            if (_breakers[endpoint].TryEnter(out _)) yield return endpoint;
        }
    }

    /// <summary>The endpoint answered, whatever it said.</summary>
    public void Answered(Uri endpoint) => _breakers[endpoint].Succeeded();

    /// <summary>No connection to the endpoint could be made. After some failures it is left alone for a while, by everybody.</summary>
    public void Failed(Uri endpoint, string why)
    {
        var pause = _breakers[endpoint].Failed(null);
        if (pause == TimeSpan.Zero) return;
        _cluster.Exclude(endpoint, pause);
        Log.EndpointExcluded(_logger, _options.Key, endpoint.Authority, pause.TotalSeconds, why);
    }

    /// <summary>The request ended before the endpoint could answer.</summary>
    public void Abandoned(Uri endpoint) => _breakers[endpoint].Abandoned();
}
