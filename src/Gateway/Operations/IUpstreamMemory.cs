namespace Gateway.Operations;

/// <summary>What is known of upstreams and is only in memory.</summary>
internal interface IUpstreamMemory
{
    /// <summary>Forgets it: requests that begin from now on ask the upstreams again.</summary>
    Task ForgetAsync();
}
