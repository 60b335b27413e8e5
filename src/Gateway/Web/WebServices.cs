namespace Gateway.Web;

/// <summary>Adds the services that forward requests to upstreams' web applications.</summary>
internal static class WebServices
{
    /// <summary>Adds the forwarder and its limits. It also needs the services of the upstreams, which add YARP.</summary>
    public static IServiceCollection AddGatewayWeb(this IServiceCollection services) =>
        services.AddSingleton<WebTurns>().AddSingleton<WebForwarder>();
}
