using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Gateway.Commands.Clients;
using Gateway.Configuration;

namespace Gateway.Commands.Doctor;

/// <summary>
/// Each upstream, twice: asked from this machine, which shows its clock and its token server, and asked through the gateway with the first
/// request of containerd, which shows what clients get.
/// </summary>
internal static partial class UpstreamChecks
{
    // containerd's dial_timeout as client-config writes it: a slower gateway is skipped.
    private static readonly TimeSpan Slow = TimeSpan.FromSeconds(2);

    // A repository that no registry has: the expected answer is 404, which shows that the upstream was asked.
    private const string Probe = "gateway-doctor/probe";

    // The gateway's words for an account that the upstream refuses (CredentialSource).
    private const string AccountRefused = "refused the credentials of";

    // The gateway's words for a value of ns that is not configured (RepositoryNames.HintFor).
    private const string NotConfigured = "is not an upstream of this gateway";

    public static async Task<IReadOnlyList<Finding>> RunAsync(Visit visit, UpstreamOptions upstream, CancellationToken cancellationToken)
    {
        var found = new List<Finding>();
        foreach (var url in upstream.Urls) await AskDirectlyAsync(visit, upstream, url, found, cancellationToken);
        // An upstream without a route of its own has one under its key.
        await AskThroughAsync(visit, upstream, visit.View.Upstreams.First(each => each.Key == upstream.Key), found, cancellationToken);
        return found;
    }

    private static async Task AskDirectlyAsync(
        Visit visit, UpstreamOptions upstream, Uri url, List<Finding> found, CancellationToken cancellationToken)
    {
        using var caller = new Caller(null, proxy: upstream.Proxy);
        var ping = await caller.AskAsync(HttpMethod.Get, new(url, "/v2/"), cancellationToken);
        // Whether the gateway reaches it is seen below: this machine may be another one.
        if (ping.Status is null) return;
        FrontChecks.AddClock(found, url.Authority, ping, visit.Now, "set the clock of this machine by NTP; tokens and certificates "
                + "depend on it");
        if (ping["WWW-Authenticate"]?.StartsWith("Basic", StringComparison.OrdinalIgnoreCase) == true
            && upstream is { Auth: UpstreamAuth.Service, Credentials.IsEmpty: true })
        {
            found.Add(Finding.Error(
                "UPSTREAM_CREDENTIALS", upstream.Key, $"{url.Authority} requires a user name and password, and the gateway has none",
                $"add credentials: {{ username: …, passwordFile: … }} to upstreams.{upstream.Key}"));
        }
        var match = Realm().Match(ping["WWW-Authenticate"] ?? "");
        if (!match.Success) return;
        if (!Uri.TryCreate(match.Groups[1].Value, UriKind.Absolute, out var realm))
        {
            found.Add(Finding.Error(
                "UPSTREAM_REALM", upstream.Key, $"expected the address of a token server, got '{match.Groups[1].Value}'",
                "correct the configuration of the upstream"));
            return;
        }
        if (realm.Authority == url.Authority || upstream.Realms.Any(listed => listed.Authority == realm.Authority)) return;
        // Without the entry the gateway asks public https servers only, and sends them no credentials (docs/upstreams.md).
        if (!upstream.Credentials.IsEmpty || realm.Scheme != Uri.UriSchemeHttps || Addresses.IsLoopback(realm))
        {
            found.Add(Finding.Error(
                "UPSTREAM_REALM", upstream.Key, $"its token server {realm.Authority} is not trusted, so it receives no credentials",
                $"add realms: [{realm.GetLeftPart(UriPartial.Authority)}] to upstreams.{upstream.Key}, if it is the right one"));
        }
    }

    private static async Task AskThroughAsync(
        Visit visit, UpstreamOptions upstream, ClientUpstream seen, List<Finding> found, CancellationToken cancellationToken)
    {
        // The name that images of this registry begin with; a gateway in front of a registry replaces it.
        var isFront = visit.Options.Routes.Any(route => route.Upstream == upstream.Key && (route.Prefix.Length == 0 || route.Forwards));
        var ns = seen.Namespaces.Count > 0 ? seen.Namespaces[0] : upstream.Urls[0].Authority;
        var answer = await visit.Caller.AskAsync(
            HttpMethod.Get, visit.At($"/v2/{Probe}/manifests/latest?ns={ns}"), cancellationToken, ClientSequences.Accept);
        if (!isFront && answer.Status == HttpStatusCode.NotFound && answer.Says.Contains(NotConfigured, StringComparison.Ordinal))
        {
            found.Add(new(
                visit.Bypass, "NS_UNKNOWN", upstream.Key,
                $"containerd asks for images of {ns} with ?ns={ns}, which this gateway does not know, and then asks {ns} itself",
                $"add namespaces: [\"{ns}\"] to upstreams.{upstream.Key}"));
            ns = null;
        }
        // By the prefix, if the name is unknown or the gateway stands for the registry.
        if (ns is null || seen.Namespaces.Count == 0)
        {
            var path = seen.Prefix.Length == 0 ? Probe : $"{seen.Prefix}/{Probe}";
            answer = await visit.Caller.AskAsync(
                HttpMethod.Get, visit.At($"/v2/{path}/manifests/latest"), cancellationToken, ClientSequences.Accept);
        }
        found.Add(Said(upstream.Key, answer));
    }

    // The gateway answers 503 with the time to wait, because the limit is not the client's; Cache-Status has the upstream's status.
    private static bool IsLimited(Asked answer) => answer["Cache-Status"]?.Contains("fwd-status=429", StringComparison.Ordinal) == true;

    private static Finding Said(string upstream, Asked answer) => answer.Status switch
    {
        _ when IsLimited(answer) => Finding.Error(
            "UPSTREAM_RATE_LIMIT", upstream, $"its rate limit is used up: {answer.Says}",
            $"wait, or add credentials to upstreams.{upstream}"),
        null or >= HttpStatusCode.InternalServerError => Finding.Error(
            "UPSTREAM_UNREACHABLE", upstream, $"expected an answer through the gateway, got {answer.Says}",
            $"check the network, DNS and proxy between the gateway and this upstream, and upstreams.{upstream}.url"),
        _ when answer["Warning"]?.Contains(AccountRefused, StringComparison.Ordinal) == true => Finding.Error(
            "UPSTREAM_CREDENTIALS", upstream, "it refuses the account of the gateway, so clients get cached content and nothing else",
            $"correct the user name or the password in upstreams.{upstream}.credentials"),
        _ when answer.Took > Slow => Finding.Warning(
            "UPSTREAM_SLOW", upstream, $"the answer took {FrontChecks.Milliseconds(answer)}; clients with a mirror skip the gateway "
                + "after 2 s",
            "use an endpoint or a proxy that is nearer"),
        HttpStatusCode.Unauthorized => Finding.Ok(
            "upstream", upstream, "not asked: the gateway requires an account; give one with --user and GATEWAY_PASSWORD"),
        _ => Finding.Ok("upstream", upstream, $"an image that does not exist answered {(int)answer.Status} in "
            + $"{FrontChecks.Milliseconds(answer)}"),
    };

    [GeneratedRegex("Bearer .*realm=\"([^\"]*)\"", RegexOptions.IgnoreCase)]
    private static partial Regex Realm();
}
