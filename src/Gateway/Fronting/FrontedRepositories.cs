using Gateway.Configuration;

namespace Gateway.Fronting;

/// <summary>Finds, under the configuration in force, the repositories that pushes are forwarded for.</summary>
internal sealed class FrontedRepositories(BackingFactory backings)
{
    private volatile UpstreamBackings? _current;

    /// <summary>Finds by another configuration from now on. Its upstreams have been loaded.</summary>
    public void Use(GatewayOptions options) => _current = backings.Of(options);

    /// <summary>The repository of a path below the staged root; null where nothing leads to it.</summary>
    public FrontedRepository? Find(string path) => _current?.FindFronted(path);
}
