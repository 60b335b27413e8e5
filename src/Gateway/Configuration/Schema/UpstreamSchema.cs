using System.Collections.Immutable;
using Gateway.Upstream;

namespace Gateway.Configuration;

/// <summary>The <c>upstreams</c> section.</summary>
internal static class UpstreamSchema
{
    private static readonly (string, TimeSpan) Always = ("always", TimeSpan.Zero);

    private static readonly (string, TimeSpan) Never = ("never", Timeout.InfiniteTimeSpan);

    private static readonly Scalar<StaleUse> Stale = Scalars.OneOf(("serve", StaleUse.Serve), ("deny", StaleUse.Deny));

    private static readonly Section<CredentialOptions> Credentials = new(() => new(), CheckCredentials)
    {
        {
            "name", Scalars.Text, "(the user name, or the helper's)",
            "Its name in metrics and logs, if there are several.", (o, v) => o with { Label = v }
        },
        { "username", Scalars.Text, "(none)", "Account at the upstream.", (o, v) => o with { Username = v } },
        {
            "password", Scalars.Secret, "(none)",
            "Its password or token; a file or a variable that ends in `__FILE` is safer.", (o, v) => o with { Password = v }
        },
        {
            "passwordFile", Scalars.ReadableFile, "(none)",
            "File with the password; read at each use.", (o, v) => o with { PasswordFile = v }
        },
        {
            "helper", Scalars.Text, "(none)", "Program that prints credentials when called with `get`, as `docker-credential-…` do.",
            (o, v) => o with { Helper = v }
        },
    };

    private static readonly Scalar<CredentialOptions> Anonymous = new(
        "anonymous", (text, _) => text == "anonymous" ? CredentialOptions.Anonymous : Parsed<CredentialOptions>.Not(),
        new() { ["const"] = "anonymous" })
    {
        Hides = true, // Other programs accept name and password in one value.
    };

    private static readonly Section<TagOptions> Tags = new(() => new())
    {
        {
            "revalidateAfter", Scalars.Duration(Always, Never), "5m",
            "How long a tag is served before the upstream is asked again. For a tag of evidence, such as cosign's `.sig`, the upstream is "
            + "asked again after 1 s while the rate budget is ample.", (o, v) => o with { RevalidateAfter = v }
        },
        {
            "immutable", new ListOf<string>(Scalars.Glob), "[]",
            "Patterns of tags that never change; once cached they are never revalidated.", (o, v) => o with { Immutable = v }
        },
        {
            "onUnavailable", Stale, "serve", "What to do with a cached tag when the upstream answers 429, 5xx, too late, or not at all.",
            (o, v) => o with { OnUnavailable = v }
        },
        {
            "onGone", Scalars.Duration(("deny", TimeSpan.Zero), ("serve", Timeout.InfiniteTimeSpan)), "deny",
            "The same when it answers 404; a duration serves the tag for that long after it was last seen.", (o, v) => o with { OnGone = v }
        },
        { "onUnauthorized", Stale, "deny", "The same when it answers 401 or 403.", (o, v) => o with { OnUnauthorized = v } },
    };

    private static readonly Section<UpstreamOptions> Upstream = new(() => WellKnownUpstreams.Defaults(""), CheckUpstream)
    {
        {
            "url", Addresses.Endpoint, "(that of a well-known registry)",
            "The registry: scheme, host and port.", (o, v) => o with { Urls = [v] }
        },
        {
            "urls", new ListOf<Uri>(Addresses.Endpoint), "(as `url`)",
            "Several endpoints of one registry, in order of preference.", (o, v) => o with { Urls = v }
        },
        {
            "namespaces", new ListOf<string>(Addresses.Namespace), "(the key; for docker.io its other names too)",
            "Values of `?ns=` that mean this upstream.", (o, v) => o with { Namespaces = v }
        },
        {
            "library", Scalars.Switch, "(true for docker.io, otherwise false)",
            "Whether `nginx` means `library/nginx`.", (o, v) => o with { Library = v }
        },
        {
            "credentials", new ListOf<CredentialOptions>(new Either<CredentialOptions>(Anonymous, Credentials), orOne: true), "[]",
            "The gateway's credentials. Of several, the one with the most remaining rate limit is used; `anonymous` sends none.",
            (o, v) => o with { Credentials = v }
        },
        {
            "realms", new ListOf<Uri>(Addresses.Realm), "(those of a well-known registry)",
            "Token servers that get the credentials, in addition to the upstream's own host and port.", (o, v) => o with { Realms = v }
        },
        {
            "redirects", new ListOf<string>(Addresses.HostPattern), "(none)",
            "Hosts that can serve blobs even from a private address; they never get credentials.", (o, v) => o with { Redirects = v }
        },
        { "tags", Tags, "{}", "How tags are revalidated.", (o, v) => o with { Tags = v } },
        {
            "verify", Scalars.OneOf(("stream", false), ("first", true)), "stream",
            "`first` sends a blob only after its digest is verified; `stream` holds back only the last byte until then.",
            (o, v) => o with { VerifyFirst = v }
        },
        {
            "referrers", Scalars.OneOf(("with-subject", ReferrersFetch.WithSubject), ("on-demand", ReferrersFetch.OnDemand)),
            "with-subject",
            "When signatures and other referrers are fetched: after the manifest that they are about, or when clients request them. "
                + "With `auth: passthrough` always on demand.",
            (o, v) => o with { Referrers = v }
        },
        {
            "certificateAuthority", Scalars.ReadableFile, "(the system's)", "PEM file of the authorities to trust for this upstream.",
            (o, v) => o with { CertificateAuthority = v }
        },
        { "proxy", Addresses.Proxy, "(none)", "HTTP proxy for this upstream.", (o, v) => o with { Proxy = v } },
        {
            "auth",
            Scalars.OneOf(("service", UpstreamAuth.Service), ("passthrough", UpstreamAuth.Passthrough), ("public", UpstreamAuth.Public)),
            "service",
            "Credentials that the upstream sees: the gateway's; each client's own (a client gets only what they admit); or none.",
            (o, v) => o with { Auth = v }
        },
        {
            "provenFor", Scalars.Duration(), "5m",
            "With `auth: passthrough`: how long a client can see cached content after the upstream has given it some of it.",
            (o, v) => o with { ProvenFor = v }
        },
    };

    /// <summary>By key; a well-known key sets its registry's defaults.</summary>
    public static readonly MapOf<UpstreamOptions> Upstreams = new(Scalars.UpstreamKey, Upstream, Read, WellKnownUpstreams.Keys);

    private static bool Read(string key, ConfigurationNode node, string path, Reading reading, out UpstreamOptions upstream)
    {
        if (!Upstream.TryRead(node, path, reading, WellKnownUpstreams.Defaults(key), out var read))
        {
            upstream = null!;
            return false;
        }
        upstream = read;
        return true;
    }

    private static void CheckUpstream(UpstreamOptions upstream, string path, Reading reading)
    {
        if (upstream.Urls.IsEmpty)
        {
            var known = NearestName.Of(upstream.Key, WellKnownUpstreams.Keys);
            var hint = known is null ? "" : $"; or did you mean {known}, which is known?";
            reading.Add(path, $"expected url: https://… of this registry{hint}");
        }
        if (reading.IsWritten(Reading.Join(path, "url")) && reading.IsWritten(Reading.Join(path, "urls")))
            reading.Add(Reading.Join(path, "urls"), "expected url or urls, got both; remove one of them");
        var twice = upstream.Credentials.GroupBy(c => c.Name).FirstOrDefault(same => same.Count() > 1);
        if (twice is not null)
            reading.Add(
                Reading.Join(path, "credentials"), $"expected different names, got '{twice.Key}' twice; add a different name to each");
        CheckAuth(upstream, path, reading);
    }

    private static void CheckAuth(UpstreamOptions upstream, string path, Reading reading)
    {
        if (upstream.Auth != UpstreamAuth.Service && !upstream.Credentials.IsEmpty)
            reading.Add(Reading.Join(path, "credentials"), "are for auth: service; remove them, or write auth: service");
        if (upstream.Auth != UpstreamAuth.Passthrough)
        {
            var key = Reading.Join(path, "provenFor");
            if (reading.IsWritten(key)) reading.Add(key, "is for auth: passthrough; remove it");
        }
        else if (upstream.Tags.OnUnauthorized == StaleUse.Serve)
        {
            reading.Add(
                Reading.Join(path, "tags.onUnauthorized"),
                "expected deny with auth: passthrough, got serve; serve would show private content to every client: write deny");
        }
    }

    private static void CheckCredentials(CredentialOptions credentials, string path, Reading reading)
    {
        var passwords = (credentials.Password is null ? 0 : 1) + (credentials.PasswordFile is null ? 0 : 1);
        if (credentials.Helper is not null && (passwords > 0 || credentials.Username is not null))
            reading.Add(path, "expected helper alone, or username with a password");
        else if (credentials.Helper is null && (passwords != 1 || credentials.Username is null))
            reading.Add(path, "expected username with one of password and passwordFile, or helper");
    }
}
