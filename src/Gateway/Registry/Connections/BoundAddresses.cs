using System.Collections.Immutable;
using Gateway.Configuration;
using Gateway.Storage;
using Gateway.Transport;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Gateway.Registry;

/// <summary>
/// Where the gateway listens, once it does. Then it also shares out the file descriptors that are free: only then are those in use that
/// every gateway needs.
/// </summary>
internal sealed partial class BoundAddresses(
    IServer server, ConfigurationInForce inForce, ConnectionLimits limits, OpenFiles openFiles, ILogger<BoundAddresses> logger)
    : IHostedLifecycleService
{
    /// <summary>The addresses in use, in the order of <c>listen</c>; real ports where 0 was configured. Empty before the start.</summary>
    public ImmutableArray<Uri> Clients { get; private set; } = [];

    /// <summary>The operator's address; port 0 before the start.</summary>
    public Uri Operator { get; private set; } = new("http://127.0.0.1:0");

    public Task StartedAsync(CancellationToken cancellationToken)
    {
        var descriptors = Descriptors.Measure();
        (openFiles.Capacity, limits.Descriptors) = (descriptors.OpenFiles, descriptors);
        if (descriptors.AreFew) LogFew(descriptors.Limit, descriptors.Remaining);
        var options = inForce.Current;
        var addresses = server.Features.GetRequiredFeature<IServerAddressesFeature>().Addresses;
        var bound = addresses.Select(address => BindingAddress.Parse(address).Port).ToArray();
        Clients = [.. options.Listen.Select((listener, i) => At(listener.Url, bound[i]))];
        Operator = At(options.Operator.Url, limits.OperatorPort = bound[^1]);
        return Task.CompletedTask;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static Uri At(Uri url, int port) => new UriBuilder(url) { Port = port }.Uri;

    [LoggerMessage(
        1007, LogLevel.Warning,
        "Open files limit is {Limit} and {Remaining} remain for clients and content; raise it to 4096 or more "
            + "(LimitNOFILE= of systemd, --ulimit nofile= of docker)")]
    private partial void LogFew(int limit, int remaining);
}
