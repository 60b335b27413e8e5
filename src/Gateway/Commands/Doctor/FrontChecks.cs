using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Gateway.Configuration;
using Gateway.Registry;

namespace Gateway.Commands.Doctor;

/// <summary>What every client does first: connect, check the certificate, ask <c>GET /v2/</c>, and follow its challenge.</summary>
internal static partial class FrontChecks
{
    // As long as the gateway's own warning in the log.
    private static readonly TimeSpan ExpiresSoon = TimeSpan.FromDays(14);

    // Tokens and certificates are checked with a few minutes' tolerance at best; JWT libraries allow 0 to 5 minutes.
    public static readonly TimeSpan ClockTolerance = TimeSpan.FromSeconds(60);

    // Chosen: the answer comes from memory.
    private static readonly TimeSpan SlowPing = TimeSpan.FromSeconds(1);

    public static async Task<IReadOnlyList<Finding>> RunAsync(Visit visit, CancellationToken cancellationToken)
    {
        var (found, url) = (new List<Finding>(), visit.View.Url);
        var ping = await visit.Caller.AskAsync(HttpMethod.Get, visit.At("/v2/"), cancellationToken);
        if (ping.Status is null)
        {
            found.Add(Finding.Error(
                "GATEWAY_UNREACHABLE", url, $"expected an answer to GET /v2/, got: {ping.Failure}",
                "start the gateway, or give the address that clients use with --address"));
            return found;
        }
        AddCertificate(visit, found);
        AddClock(found, url, ping, visit.Now, "set the clocks of this machine and of the gateway by NTP");
        var isRegistry = ping.Status is HttpStatusCode.OK or HttpStatusCode.Unauthorized && ping[RegistryHeaders.ApiVersion] is not null;
        if (!isRegistry)
        {
            found.Add(await NotTheRegistryAsync(visit, ping, cancellationToken));
            return found;
        }
        if (ping.Took > SlowPing)
        {
            found.Add(Finding.Warning(
                "GATEWAY_SLOW", url, $"GET /v2/ took {Milliseconds(ping)}",
                "check the load of the gateway's machine and the network to it"));
        }
        if (ping.Status == HttpStatusCode.Unauthorized) await AddChallengeAsync(visit, ping, found, cancellationToken);
        found.Add(Finding.Ok("ping", url, $"GET /v2/ answered {(int)ping.Status} in {Milliseconds(ping)}"));
        return found;
    }

    /// <summary>Compares the time of an answer with this machine's.</summary>
    public static void AddClock(List<Finding> found, string about, Asked answer, DateTimeOffset now, string fix)
    {
        if (!DateTimeOffset.TryParse(answer["Date"], CultureInfo.InvariantCulture, out var date)) return;
        var off = (date - now).Duration();
        if (off > ClockTolerance)
            found.Add(Finding.Error("CLOCK_OFF", about, $"its clock and that of this machine differ by {off.TotalSeconds:0} s", fix));
    }

    public static string Milliseconds(Asked answer) => $"{answer.Took.TotalMilliseconds:0} ms";

    private static void AddCertificate(Visit visit, List<Finding> found)
    {
        var (caller, host) = (visit.Caller, visit.View.Address.Host);
        if (caller.Expires is not { } expires) return;
        if (expires <= visit.Now)
        {
            found.Add(Finding.Error(
                "CERTIFICATE_EXPIRED", visit.View.Url, $"the certificate expired on {expires:yyyy-MM-dd}",
                "renew the files that tls names"));
        }
        else if (expires - visit.Now < ExpiresSoon)
        {
            found.Add(Finding.Warning(
                "CERTIFICATE_EXPIRES", visit.View.Url, $"the certificate expires on {expires:yyyy-MM-dd}",
                "renew the files that tls names"));
        }
        if (caller.OtherNames is { } names)
        {
            found.Add(Finding.Error(
                "CERTIFICATE_NAME", visit.View.Url, $"expected a certificate for {host}, got one for {names}",
                $"use a certificate with {host} in its subject alternative names"));
        }
        if (caller.ChainProblem is { } problem && expires > visit.Now)
        {
            found.Add(Finding.Error(
                "CERTIFICATE_UNTRUSTED", visit.View.Url, $"expected a certificate that this machine trusts, got: {problem}",
                "give clients the authority's certificate (gateway client-config --ca), and add intermediate certificates to the "
                    + "file of tls"));
        }
    }

    // A proxy that puts /v2/ before every path makes the registry appear at the root.
    private static async Task<Finding> NotTheRegistryAsync(Visit visit, Asked ping, CancellationToken cancellationToken)
    {
        var root = await visit.Caller.AskAsync(HttpMethod.Get, visit.At("/"), cancellationToken);
        return root[RegistryHeaders.ApiVersion] is not null
            ? Finding.Error(
                "DOUBLE_V2", visit.View.Url, "the registry answers at / instead of /v2/: what is in front of it adds /v2 to every path",
                "remove the path from the proxy's address of the gateway (nginx: proxy_pass http://gateway; without a path)")
            : Finding.Error(
                "NOT_A_REGISTRY", visit.View.Url, $"expected 200 or 401 and {RegistryHeaders.ApiVersion} from GET /v2/, got {ping.Says}",
                "point the proxy or load balancer in front at a port of listen, with the host and the path unchanged");
    }

    private static async Task AddChallengeAsync(Visit visit, Asked ping, List<Finding> found, CancellationToken cancellationToken)
    {
        var match = Realm().Match(ping["WWW-Authenticate"] ?? "");
        if (!match.Success || !Uri.TryCreate(match.Groups[1].Value, UriKind.Absolute, out var realm)) return;
        if (realm.GetLeftPart(UriPartial.Authority) != visit.View.Url)
        {
            found.Add(Finding.Error(
                "REALM_ELSEWHERE", visit.View.Url,
                $"clients are sent to {realm.GetLeftPart(UriPartial.Authority)} for a token, which is not the address that they use",
                $"set publicUrl: {visit.View.Url}, or list the proxy's network under trustedProxies and let it send "
                    + "X-Forwarded-Proto and -Host"));
        }
        var token = await visit.Caller.AskAsync(HttpMethod.Get, new(realm, realm.AbsolutePath), cancellationToken);
        if (token.Status is null or >= HttpStatusCode.InternalServerError or HttpStatusCode.NotFound)
        {
            found.Add(Finding.Error(
                "REALM_UNREACHABLE", realm.ToString(), $"expected a token server, got: {token.Says}",
                "let the proxy in front forward this path too, and set publicUrl to an address that clients reach"));
        }
    }

    [GeneratedRegex("realm=\"([^\"]*)\"", RegexOptions.IgnoreCase)]
    private static partial Regex Realm();
}
