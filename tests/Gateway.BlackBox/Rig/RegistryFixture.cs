namespace Gateway.BlackBox.Rig;

/// <summary>
/// One registry for all tests of a class: the gateway with an empty configuration. The first test that needs it starts it, so that a class
/// that replaces the fixture of its base class does not start both.
/// </summary>
/// <remarks>
/// BLACKBOX_TARGET=docker-registry points the same scenarios at Debian's docker-registry: where a test fails there too,
/// the client or the test is at fault and not the gateway.
/// </remarks>
public class RegistryFixture : IAsyncDisposable
{
    private readonly Lazy<Task<IRegistry>> _registry;

    public RegistryFixture() => _registry = new(() => Task.Run(StartAsync));

    // Constructors of tests need it.
    internal IRegistry Registry => _registry.Value.GetAwaiter().GetResult();

    private protected virtual async Task<IRegistry> StartAsync() =>
        Environment.GetEnvironmentVariable("BLACKBOX_TARGET") == "docker-registry"
            ? await DockerRegistry.StartAsync()
            : await GatewayProcess.StartAsync();

    // A registry that other classes share goes on.
    private protected virtual ValueTask EndAsync(IRegistry registry) => registry.DisposeAsync();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_registry is { IsValueCreated: true, Value.IsFaulted: false }) await EndAsync(Registry);
        GC.SuppressFinalize(this);
    }
}
