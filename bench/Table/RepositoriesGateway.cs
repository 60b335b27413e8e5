namespace Gateway.Bench;

/// <summary>
/// A gateway over the generated volume of many repositories. Rows share it, because one process at a time can use a volume.
/// </summary>
internal sealed class RepositoriesGateway(Settings settings, Peers peers) : IDisposable
{
    private const string Name = "repositories";

    private Server? _server;

    /// <summary>The running gateway; the first use starts it. It collects only when it is asked, with a grace time of 1 s.</summary>
    public Server Server => _server ??= Start();

    public int OperatorPort => peers.PortOf($"{Name}-operator");

    public void Dispose() => _server?.Dispose();

    private Server Start()
    {
        var (repositories, tags) = settings.Console;
        var storage = GeneratedLayout.MakeRepositories(settings.Layouts, repositories, tags);
        var server = peers.StartGateway(Name, storage, hasPolicy: true, "gc: { every: off, grace: 1s }\n");
        server.WaitFor("/v2/", Configurations.Credentials);
        return server;
    }
}
