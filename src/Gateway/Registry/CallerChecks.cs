using Gateway.Access;
using Gateway.Repositories;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>
/// Refuses requests that no registry client sends: with proxy headers that may be forged, for a host that is not served, from web pages,
/// and with bodies that a page's form could send.
/// </summary>
internal static class CallerChecks
{
    /// <summary>True if the request was refused and answered.</summary>
    public static async Task<bool> RefuseAsync(Exchange x)
    {
        if (x.IsForwardingContradictory)
        {
            const string Message = "expected Forwarded, with its quotes closed, and X-Forwarded-* to agree, got a contradiction; "
                + "let the proxy remove what it does not set itself";
            await x.FailAsync(RegistryErrorCode.UNSUPPORTED, Message, status: Status400BadRequest);
            return true;
        }
        return await RefuseHostAsync(x) || await RefusePageAsync(x) || await RefuseFormAsync(x);
    }

    /// <summary>Refuses a body that is not declared as JSON: only then does a browser ask before it sends the request.</summary>
    public static async Task<bool> RefuseUnlessJsonAsync(Exchange x)
    {
        var type = TypeOf(x);
        if ("application/json".Equals(type, StringComparison.OrdinalIgnoreCase)) return false;
        await x.FailAsync(
            RegistryErrorCode.UNSUPPORTED,
            $"expected Content-Type: application/json, got {(type.Length == 0 ? "none" : type)}",
            status: Status415UnsupportedMediaType);
        return true;
    }

    private static async Task<bool> RefuseHostAsync(Exchange x)
    {
        // Browsers send Origin with every write, and take a page whose own name points here for one of this site (DNS rebinding).
        var isOfPage = x.Request.Headers.Origin.Count > 0;
        if (x.Listener.Serves(x.Host) && ((!x.Snapshot.Access.IsOpen && !isOfPage) || IsOwnName(x))) return false;
        var whom = x.Snapshot.Access.IsOpen ? "without an access section it answers" : "it answers web pages";
        var message = x.Listener.Serves(x.Host)
            ? $"host {Printable.Line(x.Request.Host.Host, 80)} is not a name of this gateway, and {whom} "
                + "under no other; add the name to listen.hosts or publicUrl"
            : "this listener does not serve this host; add it to listen.hosts";
        await x.FailAsync(RegistryErrorCode.UNSUPPORTED, message, status: Status421MisdirectedRequest);
        return true;
    }

    // By the header that was received: a page whose own name leads here can write anything into those that proxies set.
    private static bool IsOwnName(Exchange x)
    {
        var host = x.Request.Host.Host;
        return WebPage.IsLocalName(host) || x.Listener.Names(host) || x.Snapshot.OwnNames.Contains(host);
    }

    private static async Task<bool> RefusePageAsync(Exchange x)
    {
        // Pages under the name of a web application are that application's, and what people upload to it.
        var ownAuthority = x.Snapshot.Web.Find(x.Host) is null ? x.Authority : null;
        if (WebPage.ProblemOf(x.Request.Method, x.Request.Headers, ownAuthority) is not { } problem) return false;
        await x.FailAsync(RegistryErrorCode.DENIED, problem);
        return true;
    }

    // The three types that a page may send anywhere without asking first (Fetch standard, "CORS-safelisted request-header"); a token is
    // asked for by a form, and the forms of the console have a token of their own.
    private static async Task<bool> RefuseFormAsync(Exchange x)
    {
        if (x.Request.Method != HttpMethods.Post || x.Target.Route is Route.Token or Route.Console) return false;
        var type = TypeOf(x);
        if (type.ToLowerInvariant() is not ("application/x-www-form-urlencoded" or "multipart/form-data" or "text/plain")) return false;
        await x.FailAsync(
            RegistryErrorCode.UNSUPPORTED,
            $"expected Content-Type: application/octet-stream, or none, got {type}",
            status: Status415UnsupportedMediaType);
        return true;
    }

    private static string TypeOf(Exchange x)
    {
        var type = x.Request.ContentType ?? "";
        var end = type.IndexOf(';', StringComparison.Ordinal);
        return (end < 0 ? type : type[..end]).Trim();
    }
}
