using System.Net;

namespace Gateway.Configuration;

/// <summary>The declaration of gateway.yaml. Larger sections have their own files.</summary>
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
            "`pull-only` refuses every write and never challenges `GET /v2/`; dockerd needs this of a mirror that it uses without a login.",
            (o, v) => o with { PullOnly = v }
        },
        {
            "hosts", new ListOf<string>(Addresses.Host), "[]",
            "Host names that this listener answers; an empty list means every name.", (o, v) => o with { Hosts = v }
        },
        {
            "http2", Scalars.Switch, "false",
            "Only cleartext HTTP/2 by prior knowledge, as some proxies use it towards backends; `https` speaks HTTP/1.1 and HTTP/2.",
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
        { "tls", TlsSchema.Tls, "(the top-level `tls`)", "Certificate of the operator port, for `https`.", (o, v) => o with { Tls = v } },
        {
            "tokenFile", TokenFile.Setting, "(none: no token is required)",
            "File with the token that `/metrics` and `/api/v1` require, at least 16 characters in one line; read at each use. "
            + "`/livez` and `/readyz` require none.",
            (o, v) => o with { TokenFile = v }
        },
    };

    private static readonly SettingType<OperatorOptions> BriefOperator =
        new Converted<Uri, OperatorOptions>(Addresses.Listener, url => new OperatorOptions { Url = url });

    private static readonly Section<AuditOptions> Audit = new(() => new())
    {
        { "path", Scalars.Folder, new Required(), "The file; its folder must exist.", (o, v) => o with { Path = v } },
        {
            "maxSize", Scalars.SizeWithin(64 << 10, 1L << 40), "(`100MiB`)",
            "Size at which the file is renamed to `.1`, `.1` to `.2`, and so on.", (o, v) => o with { MaxSize = v }
        },
        { "keep", Scalars.Whole(1, 1000), "(10)", "Number of renamed files to keep.", (o, v) => o with { Keep = v } },
        {
            "onFailure", Scalars.OneOf(("refuse", true), ("continue", false)), "(`refuse`)",
            "While no line can be written: `refuse` answers changing requests with 503 and still serves pulls; `continue` serves all.",
            (o, v) => o with { Refuse = v }
        },
    };

    private static readonly Section<ConsoleOptions> Console = new(() => new())
    {
        {
            "listen", Scalars.Switch, "false",
            "Whether the listeners serve the console below `/-/console/`, after a login with the accounts of `access` "
            + "([console.md](console.md)). The operator port always serves it.",
            (o, v) => o with { Listen = v }
        },
    };

    private static readonly Section<StorageOptions> Storage = new(() => new())
    {
        {
            "path", Scalars.Folder, "./data",
            "Folder of all stored content, or with `s3` of all but what clients push. One process at a time.", (o, v) => o with { Path = v }
        },
        {
            "s3", BucketSchema.Bucket!, "(none: files below `path`)",
            "Bucket with what clients push. Several gateways can share it.", (o, v) => o with { S3 = v }
        },
    };

    private static readonly Section<CacheOptions> Cache = new(() => new())
    {
        {
            "maxSize", Scalars.Size, "20GiB",
            "Maximum disk space for content fetched from upstreams, files and folders included; pushed content does not count.",
            (o, v) => o with { MaxSize = v }
        },
        {
            "keepFree", Scalars.Size, "1GiB", "Bytes of the volume to keep free; below that, content passes through without being cached.",
            (o, v) => o with { KeepFree = v }
        },
        {
            "prefetch", PrefetchSchema.Prefetch, "off",
            "Whether to fetch config and layers of each image right after its manifest. For an index: for the platforms listed here, "
            + "or with `auto` for those that clients have requested recently.",
            (o, v) => o with { Prefetch = v }
        },
    };

    private static readonly Section<WebOptions> WebSection = new(() => new())
    {
        {
            "hosts", new ListOf<string>(Addresses.Host), "(the route's `hosts`)", "Those of the route's `hosts` that this is for.",
            (o, v) => o with { Hosts = v }
        },
        {
            "host", Scalars.OneOf(("upstream", false), ("client", true)), "upstream",
            "The `Host` header that the upstream receives: `upstream` sends the host of its own `url` and rewrites `Origin` and `Referer` "
            + "to it; `client` sends the host that the client asked for.",
            (o, v) => o with { KeepsHost = v }
        },
    };

    private static readonly Scalar<WebOptions?> BriefWeb = Scalars.OneOf<WebOptions?>(("refuse", null), ("forward", new()));

    private static readonly Section<RouteOptions> Route = new(() => new() { Prefix = "" }, CheckRoute)
    {
        {
            "prefix", Scalars.Prefix, new Required(),
            "Leading path components of a repository's name; the gateway removes them for the upstream.", (o, v) => o with { Prefix = v }
        },
        {
            "upstream", Scalars.UpstreamKey, "(none)",
            "Key of the upstream of the repositories below the prefix.", (o, v) => o with { Upstream = v }
        },
        { "storage", Scalars.OneOf(("built-in", true)), "(none)", "Repositories below the prefix are in built-in storage.", (o, _) => o },
        {
            "push", Scalars.OneOf(("refuse", false), ("forward", true)), "refuse",
            "What happens to a push to an upstream's repository: `forward` evaluates it and forwards what is admitted.",
            (o, v) => o with { Forwards = v }
        },
        {
            "forward", Scalars.OneOf(("sync", false), ("async", true)), "sync",
            "When a forwarded push is answered: `sync` after the upstream has all of it; "
                + "`async` at once, and the gateway forwards it as soon as possible.",
            (o, v) => o with { ForwardsLater = v }
        },
        {
            "hosts", new ListOf<string>(Addresses.Host), "[]",
            "Host names (of the `Host` header) that stand for the prefix, for clients that cannot send a prefix.",
            (o, v) => o with { Hosts = v }
        },
        {
            "web", new Either<WebOptions?>(BriefWeb, WebSection!), "refuse",
            "Requests on `hosts` whose path is not the gateway's own (`/v2/`, `/-/`, `/token`): `forward` sends them to the upstream's web "
            + "application ([web.md](web.md)).",
            (o, v) => o with { Web = v }
        },
    };

    public static readonly Section<GatewayOptions> Root = new(() => new())
    {
        {
            "listen", new ListOf<ListenOptions>(new Either<ListenOptions>(BriefListener, Listener), orOne: true), "http://127.0.0.1:5000",
            "Addresses for clients. Off loopback only with `access`. A change needs a restart.", (o, v) => o with { Listen = v }
        },
        {
            "tls", TlsSchema.Tls, "(none)", "Certificate of every `https` listener without its own.",
            (o, v) => o with { Tls = v }
        },
        {
            "operator", new Either<OperatorOptions>(BriefOperator, Operator), "http://127.0.0.1:5001",
            "Health, metrics and administration; off loopback only with a token. A change needs a restart.",
            (o, v) => o with { Operator = v }
        },
        {
            "trustedProxies", new ListOf<IPNetwork>(Addresses.Network, orOne: true), "[]",
            "Trusted proxies in front, as networks or addresses. Their `X-Forwarded-For`, `-Proto` and `-Host`, or `Forwarded`, count, "
            + "and those of no other address. They apply to logs, limits, audit and the token server's address.",
            (o, v) => o with { TrustedProxies = v }
        },
        {
            "publicUrl", Addresses.Endpoint, "(from each request, or from a trusted proxy)",
            "Address by which clients reach the gateway, if no proxy states it, such as `https://registry.example.com`. The token "
            + "server's address in challenges and the links to decisions begin with it.",
            (o, v) => o with { PublicUrl = v }
        },
        { "storage", Storage, "{}", "Where all content is stored. A change needs a restart.", (o, v) => o with { Storage = v } },
        { "cache", Cache, "{}", "Limits of the cache of upstream content.", (o, v) => o with { Cache = v } },
        {
            "gc", UpkeepSchema.Gc, "{}", "When unneeded content is removed ([collection.md](collection.md)).", (o, v) => o with { Gc = v }
        },
        { "trash", UpkeepSchema.Trash, "{}", "How long removed content can be restored.", (o, v) => o with { Trash = v } },
        { "scrub", UpkeepSchema.Scrub, "{}", "When stored content is checked for damage.", (o, v) => o with { Scrub = v } },
        { "limits", ClientLimitSchema.Limits, "{}", "Limits on what clients can hold at once.", (o, v) => o with { Limits = v } },
        {
            "upstreams", UpstreamSchema.Upstreams, "{}",
            "Registries to pull through. The key of each is its default prefix and its default `?ns=`.",
            (o, v) => o with { Upstreams = v }
        },
        {
            "routes", new ListOf<RouteOptions>(Route), "(each upstream under its key, everything else in built-in storage)",
            "Maps names to repositories; the longest prefix wins. An upstream without a route has one under its key.",
            (o, v) => o with { Routes = v }
        },
        {
            "access", AccessSchema.Access, "(open, and then only loopback listeners are allowed)",
            "The rights of each actor.", (o, v) => o with { Access = v }
        },
        {
            "audit", Audit, "(no audit log)",
            "Record of changes, logins and refusals: one line of JSON each. A change needs a restart.",
            (o, v) => o with { Audit = v }
        },
        { "console", Console, "{}", "The web pages for people.", (o, v) => o with { Console = v } },
        { "policy", PolicySchema.Policy, "(everything is admitted)", "Which content is allowed.", (o, v) => o with { Policy = v } },
        {
            "replicas", ReplicaSchema.Replicas!, "(this gateway is alone)",
            "Other gateways, each with its own disk, with which this one shares fetches and what upstreams said "
            + "([replicas.md](replicas.md)). A change needs a restart.",
            (o, v) => o with { Replicas = v }
        },
    };

    private static void CheckRoute(RouteOptions route, string path, Reading reading)
    {
        var stored = reading.IsWritten(Reading.Join(path, "storage"));
        if (stored == route.Upstream is not null)
            reading.Add(
                path, stored ? "expected upstream or storage, got both" : "expected upstream: <key> or storage: built-in, got neither");
        if (stored && reading.IsWritten(Reading.Join(path, "push")))
            reading.Add(Reading.Join(path, "push"), "is for upstreams; built-in storage always accepts pushes: remove it");
        if (!route.Forwards && reading.IsWritten(Reading.Join(path, "forward")))
            reading.Add(Reading.Join(path, "forward"), "is for routes with push: forward; remove it");
        CheckWeb(route, path, reading);
    }

    private static void CheckWeb(RouteOptions route, string path, Reading reading)
    {
        if (route.Web is null) return;
        var key = Reading.Join(path, "web");
        if (route.Upstream is null)
            reading.Add(key, "is for upstreams; built-in storage has no web application; remove it");
        else if (route.Hosts.IsEmpty)
            reading.Add(key, "expected hosts beside web: the names under which browsers open the upstream's pages; add hosts: [name]");
        else if (route.WebHosts.FirstOrDefault(host => !route.Hosts.Contains(host)) is { } other)
            reading.Add(Reading.Join(key, "hosts"), $"'{other}' is not one of the route's hosts; add it there");
    }
}
