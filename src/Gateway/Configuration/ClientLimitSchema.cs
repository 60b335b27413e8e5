namespace Gateway.Configuration;

/// <summary>The section <c>limits</c>.</summary>
internal static class ClientLimitSchema
{
    // A port number has 16 bits, but connections come from many addresses; a million is what one process can hold.
    private static readonly Scalar<int> Many = Scalars.Whole(1, 1_000_000);

    public static readonly Section<ClientLimits> Limits = new(() => new())
    {
        {
            "connections", Many, "10000", "Most connections of all clients; more are closed at once. The process needs as many open files.",
            (o, v) => o with { Connections = v }
        },
        {
            "connectionsPerAddress", Many, "2000",
            "Most connections of one address (of an IPv6 /64). Those of `trustedProxies` count in `connections` only.",
            (o, v) => o with { ConnectionsPerAddress = v }
        },
        { "uploads", Many, "10000", "Most upload sessions that are open at once; more are 429.", (o, v) => o with { Uploads = v } },
        {
            "uploadsPerRepository", Many, "1000", "Most of them in one repository.", (o, v) => o with { UploadsPerRepository = v }
        },
        {
            "uploadsPerActor", Many, "5000", "Most of them of one actor, which without `access` is everybody.",
            (o, v) => o with { UploadsPerActor = v }
        },
        {
            "uploadPause", Scalars.Duration(), "5m",
            "How long a client may send nothing in the middle of an upload; then it is answered 408, and can go on where it stopped.",
            (o, v) => o with { UploadPause = v }
        },
        {
            "uploadIdle", Scalars.Duration(), "7d", "How long a session is kept that nobody touches; looked at every hour.",
            (o, v) => o with { UploadIdle = v }
        },
    };
}
