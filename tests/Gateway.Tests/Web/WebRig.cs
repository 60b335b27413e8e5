using Gateway.Configuration;
using Gateway.Upstream;
using Scripted;

namespace Gateway.Tests.Web;

/// <summary>A gateway with a web application behind the name <see cref="Host"/>.</summary>
internal sealed class WebRig : IAsyncDisposable
{
    /// <summary>The name under which the application is opened.</summary>
    public const string Host = "registry.corp.example";

    public required GatewayRig Gateway { get; init; }

    public required SampleApplication Application { get; init; }

    /// <param name="route">Changes the route that forwards.</param>
    /// <param name="configure">Changes the rest of the configuration.</param>
    /// <param name="urls">The upstream's addresses; by default the application's alone.</param>
    public static async Task<WebRig> StartAsync(
        Func<RouteOptions, RouteOptions>? route = null, Func<GatewayOptions, GatewayOptions>? configure = null,
        Func<Uri, Uri[]>? urls = null)
    {
        var application = await SampleApplication.StartAsync();
        var gateway = await GatewayRig.StartAsync(options =>
        {
            var web = Options(options, urls?.Invoke(application.Url) ?? [application.Url], route);
            return configure?.Invoke(web) ?? web;
        });
        return new() { Gateway = gateway, Application = application };
    }

    /// <summary>The configuration of a gateway in front of these addresses.</summary>
    public static GatewayOptions Options(GatewayOptions options, Uri[] urls, Func<RouteOptions, RouteOptions>? change = null)
    {
        var route = new RouteOptions { Prefix = "", Upstream = "corp", Hosts = [Host], Web = new() };
        return options with
        {
            Upstreams = options.Upstreams.Add("corp", new() { Key = "corp", Urls = [.. urls] }),
            Routes = [change?.Invoke(route) ?? route],
        };
    }

    /// <summary>Sends a request under the application's name.</summary>
    public Task<HttpResponseMessage> SendAsync(
        string method, string path, HttpContent? content = null, params (string Name, string Value)[] headers) =>
        Gateway.SendAsync(method, path, content, [("Host", Host), .. headers]);

    public async ValueTask DisposeAsync()
    {
        await Gateway.DisposeAsync();
        await Application.DisposeAsync();
    }
}
