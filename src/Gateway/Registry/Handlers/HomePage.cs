using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>
/// <c>GET /</c>: the page that a browser shows on the listening port. Every client gets the same bytes. They contain nothing of
/// the request, the configuration or the content, so no account is required.
/// </summary>
internal static class HomePage
{
    private static readonly byte[] Page = """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <title>Container registry</title>
        <h1>This is a container registry</h1>
        <p>Clients such as docker, podman, containerd, crane and helm use it. The pages for people are on the operator's port, and below
        <code>/-/console/</code> where the operator serves them here.</p>
        <pre>docker pull &lt;this host and port&gt;/&lt;repository&gt;:&lt;tag&gt;</pre>
        <p>The API is the OCI distribution-spec, below <code>/v2/</code>. The operator has another port for health, metrics and
        administration, and the command <code>gateway stats</code>.</p>
        </html>
        """u8.ToArray();

    public static Task GetAsync(Exchange x)
    {
        x.Response.Headers.ContentSecurityPolicy = "default-src 'none'";
        x.Response.Headers.XContentTypeOptions = "nosniff";
        return x.WriteAsync(Status200OK, "text/html; charset=utf-8", Page);
    }
}
