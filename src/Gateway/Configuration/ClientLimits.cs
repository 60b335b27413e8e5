namespace Gateway.Configuration;

/// <summary>What clients may hold at once; each limit keeps some from taking everything from the others.</summary>
internal sealed record ClientLimits
{
    /// <summary>Connections of all clients: ten thousand nodes that keep one each. An idle one costs some 10 KiB.</summary>
    public int Connections { get; init; } = 10_000;

    /// <summary>
    /// Connections of one address: a proxy in front, or a thousand clients behind one NAT with two each; a fifth of all.
    /// </summary>
    public int ConnectionsPerAddress { get; init; } = 2_000;

    /// <summary>Upload sessions open at once: far above what honest clients keep open, and a bound for the others.</summary>
    public int Uploads { get; init; } = 10_000;

    /// <summary>Of one repository. Chosen: a hundred pushes at once, each of ten layers.</summary>
    public int UploadsPerRepository { get; init; } = 1_000;

    /// <summary>Of one actor. Chosen: five hundred jobs of one account, each with ten layers, is half of all.</summary>
    public int UploadsPerActor { get; init; } = 5_000;

    /// <summary>
    /// How long the sender of an upload may send nothing. Chosen: clients compress and read slow disks while they send; proxies in front
    /// mostly end a silent request after one to five minutes.
    /// </summary>
    public TimeSpan UploadPause { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a session is kept that nobody touches: the 168 h of distribution's upload purging.</summary>
    public TimeSpan UploadIdle { get; init; } = TimeSpan.FromDays(7);

    /// <summary>
    /// Requests that are forwarded to web applications at once, WebSockets included. Chosen: a few hundred people with a page open; each
    /// request takes two connections.
    /// </summary>
    public int WebRequests { get; init; } = 1_000;

    /// <summary>
    /// Bytes of one body that is forwarded to a web application. Chosen: a form, a Helm chart, an SBOM; images are pushed by the registry
    /// API.
    /// </summary>
    public long WebBody { get; init; } = 100L << 20;

    /// <summary>
    /// How long neither side of a forwarded request may send anything. Chosen: pages that keep a WebSocket ping every 15 to 60 s.
    /// </summary>
    public TimeSpan WebIdle { get; init; } = TimeSpan.FromMinutes(2);
}
