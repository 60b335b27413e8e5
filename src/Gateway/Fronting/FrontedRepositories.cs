using Gateway.Configuration;

namespace Gateway.Fronting;

/// <summary>Finds the fronted repositories under the configuration in force.</summary>
internal sealed class FrontedRepositories(BackingFactory backings)
{
    private volatile UpstreamBackings? _current;

    /// <summary>Uses another configuration from now on. Its upstreams must have been loaded.</summary>
    public void Use(GatewayOptions options) => _current = backings.Of(options);

    /// <summary>The repository of a path below the staged root; null if no route leads to it.</summary>
    public FrontedRepository? Find(string path) => _current?.FindFronted(path);
}
