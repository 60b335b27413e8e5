namespace Gateway.Configuration;

/// <summary>
/// The configuration that new requests use, for parts that live longer than one configuration. A request reads its own snapshot instead.
/// </summary>
internal sealed class ConfigurationInForce(GatewayOptions first)
{
    private volatile GatewayOptions _current = first;

    /// <summary>The configuration in force now. Never changes within one value.</summary>
    public GatewayOptions Current => _current;

    /// <summary>Raised after another configuration came into force, on the thread of the reload. Handlers return soon.</summary>
    public event Action<GatewayOptions>? Changed;

    /// <summary>Puts another configuration in force, and raises <see cref="Changed"/>.</summary>
    public void Set(GatewayOptions next)
    {
        _current = next;
        Changed?.Invoke(next);
    }
}
