using System.Net;

namespace Gateway.Configuration;

/// <summary>gateway.yaml, declared. Sections of their own size have files of their own.</summary>
internal static class GatewaySchema
{
    private static readonly Section<ListenOptions> Listener = new(() => new() { Url = new("http://127.0.0.1:5000") })
    {
        {
            "url", Addresses.Listener, new Required(),
            "Scheme, address and port; `https` needs `tls` here or at the top.", (o, v) => o with { Url = v }
        },
        { "tls", TlsSchema.Tls, "(the top-level `tls`)", "Certificate of this listener.", (o, v) => o with { Tls = v } },
        {
            "access", Scalars.OneOf(("full", false), ("pull-only", true)), "full",
            "`pull-only` refuses every write and never challenges `GET /v2/`, as dockerd needs of a mirror that it uses without a login.",
            (o, v) => o with { PullOnly = v }
        },
        {
            "hosts", new ListOf<string>(Addresses.Host), "[]",
            "Host names that are answered here; an empty list answers to any.", (o, v) => o with { Hosts = v }
        },
        {
            "http2", Scalars.Switch, "false",
            "Cleartext HTTP/2 by prior knowledge and nothing else, as some proxies speak to what is behind them; `https` speaks both.",
            (o, v) => o with { Http2 = v }
        },
    };

    private static readonly SettingType<ListenOptions> BriefListener =
        new Converted<Uri, ListenOptions>(Addresses.Listener, url => new ListenOptions { Url = url });

    private static readonly Section<OperatorOptions> Operator = new(() => new())
    {
        {
            "url", Addresses.Listener, "http://127.0.0.1:5001", "Scheme, address and port; off loopback only with `tokenFile`.",
            (o, v) => o with { Url = v }
        },
        { "tls", TlsSchema.Tls, "(the top-level `tls`)", "Certificate of this port, for `https`.", (o, v) => o with { Tls = v } },
        {
            "tokenFile", TokenFile.Setting, "(none: nobody is asked for a token)",
            "File with the token that `/metrics` and `/api/v1` ask for, 16 characters or more in one line; read at each use. "
            + "`/livez` and `/readyz` ask for none.",
            (o, v) => o with { TokenFile = v }
        },
    };

    private static readonly SettingType<OperatorOptions> BriefOperator =
        new Converted<Uri, OperatorOptions>(Addresses.Listener, url => new OperatorOptions { Url = url });

    private static readonly Section<AuditOptions> Audit = new(() => new())
    {
        { "path", Scalars.Folder, new Required(), "The file; its folder must be there.", (o, v) => o with { Path = v } },
        {
            "maxSize", Scalars.SizeWithin(64 << 10, 1L << 40), "(`100MiB`)",
            "Size at which the file is put aside as `.1`, that as `.2`, and so on.", (o, v) => o with { MaxSize = v }
        },
        { "keep", Scalars.Whole(1, 1000), "(10)", "Files kept beside the one that is written.", (o, v) => o with { Keep = v } },
        {
            "onFailure", Scalars.OneOf(("refuse", true), ("continue", false)), "(`refuse`)",
            "While no line can be written: `refuse` answers 503 to what would change something, and pulls go on; `continue` goes on.",
            (o, v) => o with { Refuse = v }
        },
    };

    private static readonly Section<StorageOptions> Storage = new(() => new())
    {
        { "path", Scalars.Folder, "./data", "Folder of everything that is kept. One process at a time.", (o, v) => o with { Path = v } },
    };

    private static readonly Section<CacheOptions> Cache = new(() => new())
    {
        {
            "maxSize", Scalars.Size, "20GiB",
            "Most bytes of the disk for what was fetched from upstreams, files and folders; what clients pushed does not count.",
            (o, v) => o with { MaxSize = v }
        },
        {
            "keepFree", Scalars.Size, "1GiB", "Bytes of the volume that stay free; below, content passes through without being kept.",
            (o, v) => o with { KeepFree = v }
        },
        {
            "prefetch", PrefetchSchema.Prefetch, "off",
            "Fetching config and layers of each image whose manifest has come, ahead of need. Of an index: for the platforms listed here, "
            + "or with `auto` for those that clients have lately asked for.",
            (o, v) => o with { Prefetch = v }
        },
    };

    private static readonly Section<RouteOptions> Route = new(() => new() { Prefix = "" }, CheckRoute)
    {
        {
            "prefix", Scalars.Prefix, new Required(),
            "Leading path components of a repository's name; they are taken off for the upstream.", (o, v) => o with { Prefix = v }
        },
        {
            "upstream", Scalars.UpstreamKey, "(none)",
            "Key of the upstream that repositories below the prefix come from.", (o, v) => o with { Upstream = v }
        },
        { "storage", Scalars.OneOf(("built-in", true)), "(none)", "Repositories below the prefix are our own.", (o, _) => o },
        {
            "push", Scalars.OneOf(("refuse", false), ("forward", true)), "refuse",
            "What a push to an upstream's repository comes to: `forward` judges it, and gives the upstream what passes.",
            (o, v) => o with { Forwards = v }
        },
        {
            "forward", Scalars.OneOf(("sync", false), ("async", true)), "sync",
            "When a push that is forwarded is answered: `sync` after the upstream has it all; "
                + "`async` at once, and the upstream gets it when it can.",
            (o, v) => o with { ForwardsLater = v }
        },
        {
            "hosts", new ListOf<string>(Addresses.Host), "[]",
            "Host names (of the `Host` header) that stand for the prefix, for clients that cannot write one.",
            (o, v) => o with { Hosts = v }
        },
    };

    public static readonly Section<GatewayOptions> Root = new(() => new())
    {
        {
            "listen", new ListOf<ListenOptions>(new Either<ListenOptions>(BriefListener, Listener), orOne: true), "http://127.0.0.1:5000",
            "Where clients are answered. Off loopback only with `access`. A change needs a restart.", (o, v) => o with { Listen = v }
        },
        {
            "tls", TlsSchema.Tls, "(none)", "Certificate of every `https` listener that names none of its own.",
            (o, v) => o with { Tls = v }
        },
        {
            "operator", new Either<OperatorOptions>(BriefOperator, Operator), "http://127.0.0.1:5001",
            "Health, metrics and administration; off loopback only with a token. A change needs a restart.",
            (o, v) => o with { Operator = v }
        },
        {
            "trustedProxies", new ListOf<IPNetwork>(Addresses.Network, orOne: true), "[]",
            "Proxies in front, as networks or addresses: what they say in `X-Forwarded-For`, `-Proto` and `-Host`, or in `Forwarded`, is "
            + "believed, and from no other address. It holds for logs, limits, audit and the token server's address.",
            (o, v) => o with { TrustedProxies = v }
        },
        {
            "publicUrl", Addresses.Endpoint, "(as each request, or a trusted proxy, says)",
            "Address by which clients reach the gateway where a proxy does not say it, such as `https://registry.example.com`; the token "
            + "server's address in challenges, and the links to decisions, begin with it.",
            (o, v) => o with { PublicUrl = v }
        },
        { "storage", Storage, "{}", "Where everything is kept. A change needs a restart.", (o, v) => o with { Storage = v } },
        { "cache", Cache, "{}", "How much of what upstreams gave is kept.", (o, v) => o with { Cache = v } },
        { "limits", ClientLimitSchema.Limits, "{}", "How much clients may hold at once.", (o, v) => o with { Limits = v } },
        {
            "upstreams", UpstreamSchema.Upstreams, "{}",
            "Registries to pull through, each under a key that is its default prefix and its default `?ns=`.",
            (o, v) => o with { Upstreams = v }
        },
        {
            "routes", new ListOf<RouteOptions>(Route), "(each upstream under its key, everything else in built-in storage)",
            "Which repository a name means; the longest prefix wins. An upstream without a route has one under its key.",
            (o, v) => o with { Routes = v }
        },
        {
            "access", AccessSchema.Access, "(open, and then only loopback is listened on)",
            "Who may do what.", (o, v) => o with { Access = v }
        },
        {
            "audit", Audit, "(none is written)",
            "Who changed what, who logged in, what was refused: one line of JSON each. A change needs a restart.",
            (o, v) => o with { Audit = v }
        },
        { "policy", PolicySchema.Policy, "(everything is admitted)", "What may exist here.", (o, v) => o with { Policy = v } },
        { "replicas", new NotInThisVersion("; run one process") },
    };

    private static void CheckRoute(RouteOptions route, string path, Reading reading)
    {
        var stored = reading.IsWritten(Reading.Join(path, "storage"));
        if (stored == route.Upstream is not null)
            reading.Add(
                path, stored ? "expected upstream or storage, got both" : "expected upstream: <key> or storage: built-in, got neither");
        if (stored && reading.IsWritten(Reading.Join(path, "push")))
            reading.Add(Reading.Join(path, "push"), "is for upstreams; built-in storage always takes pushes");
        if (!route.Forwards && reading.IsWritten(Reading.Join(path, "forward")))
            reading.Add(Reading.Join(path, "forward"), "is for routes with push: forward");
    }
}
