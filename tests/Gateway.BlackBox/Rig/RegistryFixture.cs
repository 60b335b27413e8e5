namespace Gateway.BlackBox.Rig;

/// <summary>One registry for all tests of a class: the gateway with an empty configuration.</summary>
/// <remarks>
/// BLACKBOX_TARGET=docker-registry points the same scenarios at Debian's docker-registry: where a test fails there too,
/// the client or the test is at fault and not the gateway.
/// </remarks>
public class RegistryFixture : IAsyncLifetime
{
    private IRegistry? _registry;

    internal IRegistry Registry => _registry ?? throw new InvalidOperationException("The registry did not start.");

    public async ValueTask InitializeAsync() => _registry = await StartAsync();

    private protected virtual async Task<IRegistry> StartAsync() =>
        Environment.GetEnvironmentVariable("BLACKBOX_TARGET") == "docker-registry"
            ? await DockerRegistry.StartAsync()
            : await GatewayProcess.StartAsync();

    public async ValueTask DisposeAsync()
    {
        if (_registry is not null) await _registry.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}
