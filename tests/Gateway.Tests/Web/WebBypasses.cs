namespace Gateway.Tests.Web;

/// <summary>Ways that have led past a check of the path in other proxies, each to the registry API of some server behind it.</summary>
internal static class WebBypasses
{
    /// <summary>Request targets.</summary>
    public static readonly string[] Targets =
    [
        // Encoded once, twice, three times; partly; in either case of the digits.
        "/%76%32/", "/%762/", "/v%32/", "/%56%32/a/manifests/b", "/%2576%2532/", "/v%2532/", "/%252576%252532/", "/%25%37%36%32/",
        "/%7%362/", "/v2%2Fa/manifests/b", "/v2%2f", "/v2%252Fa", "/%2Fv2/", "/%2fv2%2f", "/%252Fv2/", "/x%2F..%2Fv2/", "/v2%3Fa",
        "/v2%23a",
        "/v2%20/", "/v2%09/", "/v2%00/", "/%00/v2/", "/v2%0a/", "/%0dv2/",
        // Dot segments.
        "/./v2/", "/../v2/", "/x/../v2/", "/x/y/../../v2/", "/%2e/v2/", "/%2e%2e/v2/", "/x/%2e%2e/v2/", "/x/.%2e/v2/",
        "/x/%2e./v2/",
        "/x/%252e%252e/v2/", "/x/%25%32%65%25%32%65/v2/", "/api/../v2/a/blobs/c", "/v2/../v2/", "/x/..%2fv2/", "/x/..%252fv2/",
        "/x/...//v2/",
        "/.../v2/", "/..../v2/", "/x/.. /v2/", "/x/..%20/v2/", "/x/%2e%2e%20/v2/", "/x/..%00/v2/", "/x/.%00./v2/", "/x/..%0d/v2/",
        // Matrix parameters.
        "/x/..;/v2/", "/x/..;a=b/v2/", "/;/v2/", "/;a/v2/", "/v2;/", "/v2;a=b/", "/v2;%2f", "/x/..%3b/v2/", "/x/%2e%2e;/v2/",
        "/.;/v2/",
        "/v2%3b/", "/v2%253b/", "/x;/../v2/",
        // Backslashes.
        "\\v2\\", "/\\v2/", "/x\\..\\v2/", "/x/..\\v2/", "/%5cv2/", "/%5Cv2%5C", "/x/..%5cv2/", "/x%5c..%5cv2/", "/x/..%255cv2/",
        "/x/%2e%2e%5cv2/",
        // Empty segments.
        "//v2/", "///v2/", "/x//../v2/", "//x/../v2/", "//evil.example/v2/", "/%2f/v2/", "/x/..//v2/",
        // Other letters.
        "/V2/", "/V2", "/V%32/", "/v2./", "/v2../", "/v2.../", "/.v2/", "/v2~/", "/v2+/", "/v2,/", "/v2:/", "/v2@/", "/v2*/",
        "/-v2/", "/v2-/",
        "/_v2/", "/%EF%BD%962/", "/v%EF%BC%92/", "/v%C2%B2/", "/%C7%BD/", "/v\u0662/", "/%u0076%u0032/", "/%25u0076%25u0032/",
        "/x/%u002e%u002e/v2/",
        // Overlong and invalid UTF-8, characters that look alike.
        "/x/%c0%ae%c0%ae/v2/", "/%c0%afv2/", "/x/%e0%80%ae%e0%80%ae/v2/", "/x/%c0%ae./v2/", "/x/%EF%BC%8E%EF%BC%8E/v2/",
        "/%EF%BC%8Fv2/",
        "/x/%E2%80%A5/v2/", "/x/%E2%80%A4%E2%80%A4/v2/", "/%EF%BC%85762/",
        // Other forms of targets.
        "http://registry.corp.example/v2/", "http://127.0.0.1/v2/", "HTTP://x/v2/", "registry.corp.example:80", "v2/", "*",
        "?/v2/", "#/v2/",
        "/#/../v2/", "/x?/#", "/x#/v2/", "@127.0.0.1/v2/", ":80/v2/", "/x /v2/", "",
        // What the gateway answers itself, and what registries answer besides.
        "/-", "/%2d/promote", "/%2D/", "/-%2fpromote", "/--/", "/token/", "/Token", "/%74oken", "/token%2f", "/token;a", "/token.",
        "/v1/", "/V1/_ping",
        "/v1/search?q=a", "/%76%31/",
        // A registry API below another path, as Nexus and Artifactory have it.
        "/repository/docker/v2/a/manifests/b", "/repository/docker/%762/a/manifests/b", "/repository/docker/v2/a/blobs/uploads/",
        "/artifactory/api/docker/local/v2/a/manifests/b", "/repository/docker/V2/_catalog", "/repository/docker/v2/a/tags/list",
        "/repository/docker/v2/a/%6danifests/b", "/repository/docker/v2%2Fa%2Fmanifests%2Fb",
        "/repository/docker/v2./a/referrers/c",
    ];
}
