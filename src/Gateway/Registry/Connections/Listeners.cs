using Gateway.Configuration;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace Gateway.Registry;

/// <summary>Tells the server where to listen: at every address of <c>listen</c>, then at the operator's.</summary>
internal sealed class Listeners(ConfigurationInForce inForce, Certificates certificates, ConnectionLimits limits)
    : IConfigureOptions<KestrelServerOptions>
{
    public void Configure(KestrelServerOptions options)
    {
        // Listeners change only with a restart.
        var first = inForce.Current;
        Listening.Limit(options);
        foreach (var listener in first.Listen)
            Listening.Listen(options, listener.Url, new(listener), certificates.Of(listener, first), limits);
        Listening.Listen(options, first.Operator.Url, Listener.Operator, certificates.Operators(first), limits);
    }
}
