namespace Gateway.Operations;

/// <summary>Facts about upstreams that are only in memory.</summary>
internal interface IUpstreamMemory
{
    /// <summary>Clears them; later requests ask the upstreams again.</summary>
    Task ForgetAsync();
}
