namespace Gateway.Access;

/// <summary>
/// Distinguishes requests that a web page made a browser send (cross-site request forgery) from those of registry clients and commands,
/// which send none of these headers. A page cannot omit them, because browsers set them (Fetch standard, "forbidden request-header").
/// </summary>
internal static class WebPage
{
    private const string FetchSite = "Sec-Fetch-Site";
    private const string FetchMode = "Sec-Fetch-Mode";
    private const string FetchDestination = "Sec-Fetch-Dest";

    /// <summary>
    /// Why the request is refused, in one line; null for a request that no page of another site sent. A person can follow a link to
    /// the gateway (a GET whose response the browser shows in its window).
    /// </summary>
    /// <param name="authority">
    /// The host and port by which the client reaches this gateway; null where pages under that name are not the gateway's.
    /// </param>
    public static string? ProblemOf(string method, IHeaderDictionary headers, string? authority)
    {
        var site = headers[FetchSite];
        if (site.Count > 0)
        {
            // The same rule as Go's net/http.CrossOriginProtection: "same-site" is another port of this machine, or a neighbor's page.
            if (site.ToString() == "none" || IsFollowedLink(method, headers)) return null;
            if (site.ToString() == "same-origin" && authority is not null) return null;
            var own = authority is null ? "" : "same-origin or ";
            return $"expected Sec-Fetch-Site: {own}none, got {Oci.Printable.Line(site.ToString(), 40)}: {Others(authority)}";
        }
        // Browsers send Sec-Fetch-Site only to https and to the local machine, and Origin with every write.
        var origin = headers.Origin;
        if (origin.Count == 0 || (authority is not null && IsSame(origin.ToString(), authority))) return null;
        var allowed = authority is null ? "" : $", or that of {Oci.Printable.Line(authority, 80)}";
        return $"expected no Origin{allowed}, got {Oci.Printable.Line(origin.ToString(), 80)}: {Others(authority)}";
    }

    private static string Others(string? authority) => authority is null
        ? "pages of the web application under this name cannot use the registry API"
        : "web pages of other sites cannot use this gateway";

    /// <summary>Whether a host is local by its form alone: an address, or a name that no public zone can have.</summary>
    /// <remarks>
    /// A page can point its own host name at 127.0.0.1 (DNS rebinding); the browser then treats gateway and page as one site.
    /// Names without a dot are in no public zone (RFC 7085, §4); <c>localhost</c> and what ends in it are the machine itself (RFC 6761,
    /// §6.3).
    /// </remarks>
    public static bool IsLocalName(string host) => !host.Contains('.', StringComparison.Ordinal) || IsAddress(host)
        || host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether a host is <c>localhost</c> or a literal address.</summary>
    public static bool IsAddress(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || System.Net.IPAddress.TryParse(host, out _);

    private static bool IsFollowedLink(string method, IHeaderDictionary headers) =>
        (HttpMethods.IsGet(method) || HttpMethods.IsHead(method))
        && headers[FetchMode].ToString() == "navigate" && headers[FetchDestination].ToString() == "document";

    // The scheme is not compared, because a proxy may have terminated TLS.
    private static bool IsSame(string origin, string authority) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var page)
        && Uri.TryCreate($"{page.Scheme}://{authority}", UriKind.Absolute, out var own)
        && page.Host.Equals(own.Host, StringComparison.OrdinalIgnoreCase) && page.Port == own.Port;
}
