namespace Gateway.Registry;

/// <summary>Header names of the distribution-spec, of Docker's registry before it, and of the gateway.</summary>
internal static class RegistryHeaders
{
    public const string ApiVersion = "Docker-Distribution-Api-Version";
    public const string ContentDigest = "Docker-Content-Digest";
    public const string UploadId = "Docker-Upload-UUID";
    public const string OciSubject = "OCI-Subject";
    public const string OciTag = "OCI-Tag";
    public const string OciFiltersApplied = "OCI-Filters-Applied";
    public const string OciNamespace = "OCI-Namespace";
    public const string CacheStatus = "Cache-Status";
    public const string GatewayDecision = "Gateway-Decision";
    public const string GatewayTagState = "Gateway-Tag-State";
    public const string GatewayPromoted = "Gateway-Promoted";
    public const string GatewayForward = "Gateway-Forward";
    public const string GatewaySubstituted = "Gateway-Substituted";
}
