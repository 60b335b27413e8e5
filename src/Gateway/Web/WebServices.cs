namespace Gateway.Web;

/// <summary>Adds what forwards requests to upstreams' web applications.</summary>
internal static class WebServices
{
    /// <summary>Adds the forwarder and its limits. The services need the upstreams besides, which bring YARP.</summary>
    public static IServiceCollection AddGatewayWeb(this IServiceCollection services) =>
        services.AddSingleton<WebTurns>().AddSingleton<WebForwarder>();
}
