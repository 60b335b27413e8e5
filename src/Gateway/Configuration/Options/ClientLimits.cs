namespace Gateway.Configuration;

/// <summary>Limits on what clients hold at once, so that no client can use up everything.</summary>
internal sealed record ClientLimits
{
    /// <summary>Maximum connections of all clients: ten thousand nodes with one each. An idle connection needs about 10 KiB.</summary>
    public int Connections { get; init; } = 10_000;

    /// <summary>
    /// Maximum connections of one address: a proxy in front, or a thousand clients behind one NAT with two each; a fifth of all.
    /// </summary>
    public int ConnectionsPerAddress { get; init; } = 2_000;

    /// <summary>Maximum open upload sessions: far more than honest clients need.</summary>
    public int Uploads { get; init; } = 10_000;

    /// <summary>Maximum open upload sessions of one repository: a hundred concurrent pushes of ten layers each.</summary>
    public int UploadsPerRepository { get; init; } = 1_000;

    /// <summary>Maximum open upload sessions of one actor: five hundred jobs of one account with ten layers each; half of all.</summary>
    public int UploadsPerActor { get; init; } = 5_000;

    /// <summary>
    /// Maximum pause of the sender of an upload. Clients compress and read slow disks while they send; proxies in front usually end a
    /// silent request after one to five minutes.
    /// </summary>
    public TimeSpan UploadPause { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long an unused session is kept: the 168 h of distribution's upload purging.</summary>
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
