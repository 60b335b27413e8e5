namespace Gateway.Configuration;

/// <summary>The section <c>limits</c>.</summary>
internal static class ClientLimitSchema
{
    // Connections of many addresses can exceed the 65,536 ports of one; a million is what one process can hold.
    private static readonly Scalar<int> Many = Scalars.Whole(1, 1_000_000);

    public static readonly Section<ClientLimits> Limits = new(() => new())
    {
        {
            "connections", Many, "10000", "Maximum connections of all clients; more are closed at once. Each needs an open file.",
            (o, v) => o with { Connections = v }
        },
        {
            "connectionsPerAddress", Many, "2000",
            "Maximum connections of one address (of an IPv6 /64). Those of `trustedProxies` count in `connections` only.",
            (o, v) => o with { ConnectionsPerAddress = v }
        },
        { "uploads", Many, "10000", "Maximum open upload sessions; more are answered 429.", (o, v) => o with { Uploads = v } },
        {
            "uploadsPerRepository", Many, "1000", "Maximum open upload sessions in one repository.",
            (o, v) => o with { UploadsPerRepository = v }
        },
        {
            "uploadsPerActor", Many, "5000", "Maximum open upload sessions of one actor; without `access` all clients are one actor.",
            (o, v) => o with { UploadsPerActor = v }
        },
        {
            "uploadPause", Scalars.Duration(), "5m",
            "How long a client can pause in the middle of an upload; then it is answered 408, and can continue where it stopped.",
            (o, v) => o with { UploadPause = v }
        },
        {
            "uploadIdle", Scalars.Duration(), "7d", "How long an unused upload session is kept; checked every hour.",
            (o, v) => o with { UploadIdle = v }
        },
        {
            "webRequests", Many, "1000",
            "Most requests and WebSockets that `web: forward` forwards at once; more are 503. One address gets a quarter of them.",
            (o, v) => o with { WebRequests = v }
        },
        {
            "webBody", Scalars.Size, "100MiB", "Largest request body that `web: forward` forwards; a larger one is 413.",
            (o, v) => o with { WebBody = v }
        },
        {
            "webIdle", Scalars.Duration(), "2m",
            "How long neither side of a request or WebSocket of `web: forward` may send anything; then the request is 504, or the "
            + "connection ends.",
            (o, v) => o with { WebIdle = v }
        },
    };
}
