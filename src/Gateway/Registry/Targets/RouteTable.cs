using Gateway.Configuration;

namespace Gateway.Registry;

/// <summary>What one method of one route needs and does.</summary>
/// <param name="Needs">The rights that access rules must give in the target's repository; none if the handler checks rights itself.</param>
internal sealed record RouteOperation(AccessActions Needs, Func<Exchange, Task> Handle);

/// <summary>
/// Every method of every route. A method that is not in this table is refused, so that a forgotten one is not allowed (in zot a token
/// for pushing could delete: GHSA-qg67-7m6v-qg25). HEAD is GET without its body.
/// </summary>
internal static class RouteTable
{
    private static readonly Dictionary<(Route Route, string Method), RouteOperation> Operations = new()
    {
        [(Route.Ping, "GET")] = new(AccessActions.None, AccessEndpoints.PingAsync),
        [(Route.Token, "GET")] = new(AccessActions.None, AccessEndpoints.TokenAsync),
        [(Route.Token, "POST")] = new(AccessActions.None, AccessEndpoints.TokenAsync),
        [(Route.Decision, "GET")] = new(AccessActions.None, DecisionEndpoint.GetAsync),
        [(Route.Promote, "POST")] = new(AccessActions.None, PromoteEndpoint.PostAsync),
        [(Route.Evaluate, "POST")] = new(AccessActions.None, EvaluateEndpoint.PostAsync),
        [(Route.Home, "GET")] = new(AccessActions.None, HomePage.GetAsync),
        [(Route.Catalog, "GET")] = new(AccessActions.None, Lists.CatalogAsync),
        [(Route.Tags, "GET")] = new(AccessActions.Pull, Lists.TagsAsync),
        [(Route.Referrers, "GET")] = new(AccessActions.Pull, ReferrerLists.GetAsync),
        [(Route.Manifest, "GET")] = new(AccessActions.Pull, Manifests.GetAsync),
        [(Route.Manifest, "PUT")] = new(AccessActions.Push, Manifests.PutAsync),
        [(Route.Manifest, "DELETE")] = new(AccessActions.Delete, Manifests.DeleteAsync),
        [(Route.Blob, "GET")] = new(AccessActions.Pull, Blobs.GetAsync),
        [(Route.Blob, "DELETE")] = new(AccessActions.Delete, Blobs.DeleteAsync),
        [(Route.Uploads, "POST")] = new(AccessActions.Push, Uploads.PostAsync),
        [(Route.Upload, "GET")] = new(AccessActions.Push, Sessions.GetAsync),
        [(Route.Upload, "PATCH")] = new(AccessActions.Push, Sessions.PatchAsync),
        [(Route.Upload, "PUT")] = new(AccessActions.Push, Sessions.PutAsync),
        [(Route.Upload, "DELETE")] = new(AccessActions.Push, Sessions.DeleteAsync),
    };

    // By route, then by method: a route has at most five.
    private static readonly (string Method, RouteOperation Operation)[][] ByRoute =
    [
        .. Enum.GetValues<Route>().Select(route => Operations.Where(each => each.Key.Route == route)
            .Select(each => (each.Key.Method, each.Value)).ToArray()),
    ];

    /// <summary>Null when the route does not support the method. Methods are case-sensitive (RFC 9110 §9.1).</summary>
    public static RouteOperation? Find(Route route, string method)
    {
        var wanted = method == HttpMethods.Head ? HttpMethods.Get : method;
        foreach (var (name, operation) in ByRoute[(int)route])
        {
            if (name == wanted) return operation;
        }
        return null;
    }

    /// <summary>The value of <c>Allow</c> for a route.</summary>
    public static string Allow(Route route) =>
        string.Join(", ", MethodsOf(route).Select(method => method == "GET" ? "GET, HEAD" : method).Order());

    private static IEnumerable<string> MethodsOf(Route route) => Operations.Keys.Where(key => key.Route == route).Select(key => key.Method);
}
