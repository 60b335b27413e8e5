namespace Gateway.Registry;

/// <summary>What a request target names. The lower-case names are the <c>route</c> label of metrics and logs.</summary>
internal enum Route
{
    /// <summary>A target that was refused before its route was known.</summary>
    Invalid,

    /// <summary>A well-formed path that the gateway does not have.</summary>
    Unknown,

    /// <summary><c>/v2/</c> (end-1).</summary>
    Ping,

    /// <summary><c>/v2/_catalog</c>.</summary>
    Catalog,

    /// <summary><c>/v2/&lt;name&gt;/tags/list</c> (end-8).</summary>
    Tags,

    /// <summary><c>/v2/&lt;name&gt;/manifests/&lt;reference&gt;</c> (end-3, 7, 9).</summary>
    Manifest,

    /// <summary><c>/v2/&lt;name&gt;/blobs/&lt;digest&gt;</c> (end-2, 10).</summary>
    Blob,

    /// <summary><c>/v2/&lt;name&gt;/blobs/uploads/</c> (end-4, 11).</summary>
    Uploads,

    /// <summary><c>/v2/&lt;name&gt;/blobs/uploads/&lt;id&gt;</c> (end-5, 6, 13, 14).</summary>
    Upload,

    /// <summary><c>/v2/&lt;name&gt;/referrers/&lt;digest&gt;</c> (end-12).</summary>
    Referrers,

    /// <summary><c>/token</c>.</summary>
    Token,

    /// <summary><c>/-/decisions/&lt;id&gt;</c>.</summary>
    Decision,

    /// <summary><c>/-/promote</c>.</summary>
    Promote,

    /// <summary><c>/-/policy/evaluate</c>.</summary>
    Evaluate,

    /// <summary><c>/</c>, which only browsers request.</summary>
    Home,

    /// <summary><c>/-/console</c> and below (<see cref="ConsoleFace"/>).</summary>
    Console,

    /// <summary>A page or another path of an upstream's web application (<see cref="WebFace"/>).</summary>
    Web,
}

/// <summary>The routes' names as labels.</summary>
internal static class RouteNames
{
    private static readonly string[] Names = [.. Enum.GetNames<Route>().Select(name => name.ToLowerInvariant())];

    public static string Label(this Route route) => Names[(int)route];
}
