using System.Text.RegularExpressions;

namespace Gateway.Tests.Registry.Hostile;

/// <summary>
/// Targets that name one repository in every way somebody may think of, and what each means by the grammar of the distribution-spec alone:
/// a second reading, that shares nothing with the gateway's own.
/// </summary>
internal static partial class PathCorpus
{
    public const string Manifest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// <summary>Ways to write what stands between two components of a name.</summary>
    private static readonly string[] Slashes =
    [
        "/", "//", "///", "/./", "/../", "/x/../", "/%2e/", "/%2e%2e/", "/%2E%2e/", "/.%2e/", "/..%2f", "/..;/", "/;/", ";a=b/", "/..%00/",
        "%2f", "%2F", "%252f", "%25252f", "%5c", "%5C", "\\", "/\\", "\\..\\", "%c0%af", "%e0%80%af", "%f0%80%80%af", "%c0%2f", "%ef%bc%8f",
        "\u00ef\u00bc\u008f", "%e2%88%95", "%u002f", "%%32%66", "%2", "%", "%00/", "/%00", "%0a/", "%0d%0aX:%20y/", "%09/", "%20/", " /",
        "+/",
        "\t/", "%e2%80%ae/", "%7f/", "%80/", "#/", "?/", ":/", "@/", "*/", "~/", "$/", "|/", "\"/", "'/", "</", "{/", "^/", "`/", "!/",
        ",/", "=/",
        "&/", "_/", "./", "-/", "/_", "/.", "/-", "..", "__/", "/_layers/", "/_manifests/", "/_gateway/",
    ];

    /// <summary>Ways to write a whole path; {0} is the path.</summary>
    private static readonly string[] Wholes =
    [
        "{0}", "{0}/", "{0}//", "{0}/.", "{0}/..", "{0}%20", "{0}%00", "{0}%0a", "{0};x", "{0}#x", "{0}.json", "{0}%2f", "{0}%3f",
        "{0}\\", "/{0}",
        "/.{0}", "/..{0}", "/%2e{0}", "/x/..{0}", "/v2/..{0}", "/-/..{0}", "/token/..{0}", "http://h{0}", "http://other{0}", "//h{0}",
        "/;{0}",
        "/%2f{0}", "{0}?", "{0}?ns=", "{0}?ns=.", "{0}?ns=..%2f..", "{0}?ns=A.example", "{0}?ns=h:99999", "{0}?ns=h:5000%00",
        "{0}?ns=unknown.example",
        "{0}?ns=a&ns=b", "{0}?NS=x", "{0}?last=%00", "{0}?last=..%2f..%2fetc", "{0}?n=99999999999999999999", "{0}?n=-1", "{0}?n=1e9",
        "{0}?%00", "{0}?a=%zz",
    ];

    private static readonly string[] Odd =
    [
        "/", "*", "/v2", "/v2/", "/v2//", "/v2/.", "/V2/", "/v2/_catalog", "/v2/_catalog/", "/v2/_catalog//", "/v2/_catalog/.",
        "/v2/_catalog/x",
        "/v2/_CATALOG", "/v2/_catalog%2f", "/v2/_catalog%20", "/v2/_catalog;", "/v2//_catalog", "/v2/./_catalog", "/v2/%5fcatalog",
        "/v2/x/../_catalog",
        "/v2/_catalog?n=1", "/v2/_catalog?last=%ff", "/token/", "/-/", "/-/decisions", "/-/decisions/", "/-/decisions/..",
        "/-/decisions/../../v2/_catalog",
        "/-/decisions/d-x/", "/-/decisions/%2e%2e", "/-/promote/", "/-/policy", "/-/policy/evaluate/", "/-/promote", "/-/policy/evaluate",
        "/metrics", "/livez", "/readyz", "/api/v1/stats", "/v2/../metrics", "/v2/%2e%2e/metrics", "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/v2/..%2f..%2f..%2fetc%2fpasswd/tags/list", "/v2/etc/passwd%00/tags/list", "/.git/config", "/favicon.ico", "/index.html",
        "/v1/_ping",
    ];

    private static readonly string[] References =
    [
        "", ".", "..", "%2e%2e", "-x", "v1%00", "sha256:0", "sha256:..%2f", new('a', 129), "v1/x", "a:b", "latest%0a",
    ];

    /// <summary>Paths of a repository, and the method beside GET that changes something there.</summary>
    private static readonly (string Path, string Write)[] Routes =
    [
        ("/v2/{0}/manifests/v1", "PUT"), ("/v2/{0}/manifests/" + Manifest, "PUT"), ("/v2/{0}/blobs/" + Manifest, "PATCH"),
        ("/v2/{0}/tags/list", "POST"),
        ("/v2/{0}/referrers/" + Manifest, "POST"), ("/v2/{0}/blobs/uploads/", "POST"),
        ("/v2/{0}/blobs/uploads/0123456789abcdef0123456789abcdef", "PATCH"),
    ];

    /// <summary>Every method and target, the repository being <c>team/app</c> of this first component.</summary>
    public static IEnumerable<(string Method, string Target)> For(string first)
    {
        foreach (var (path, write) in Routes)
        {
            var names = Slashes.Select(slash => $"{first}{slash}app")
                .Concat([
                    $"{first.ToUpperInvariant()}/app", $"{first}/App", $"{first}/{new string('a', 248)}",
                    $"{first}/{new string('a', 249)}"])
                .Concat([$"{first}/{new string('a', 2000)}", $"{first}/app/", $"/{first}/app", $"../{first}/app", ""]);
            foreach (var name in names)
            {
                yield return ("GET", path.Replace("{0}", name, StringComparison.Ordinal));
                yield return (write, path.Replace("{0}", name, StringComparison.Ordinal));
            }
            var plain = path.Replace("{0}", $"{first}/app", StringComparison.Ordinal);
            foreach (var whole in Wholes) yield return ("GET", whole.Replace("{0}", plain, StringComparison.Ordinal));
        }
        foreach (var reference in References) yield return ("GET", $"/v2/{first}/app/manifests/{reference}");
        foreach (var odd in Odd) yield return ("GET", odd);
    }

    /// <summary>The repository that a target means; null where it means none, or nothing.</summary>
    public static string? RepositoryOf(string target)
    {
        var match = Grammar().Match(target.Split('?')[0]);
        return match.Success && match.Groups[1].Length <= 255 ? match.Groups[1].Value : null;
    }

    // distribution-spec, "Pulling manifests" and "Endpoints"; the slash behind uploads may be left out.
    private const string Component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";

    [GeneratedRegex(
        "^/v2/(" + Component + "(?:/" + Component + ")*)/(?:tags/list|manifests/(?:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}|sha256:[0-9a-f]{64})"
        + "|blobs/(?:sha256:[0-9a-f]{64}|uploads/?|uploads/[a-zA-Z0-9_-]+)|referrers/sha256:[0-9a-f]{64})\\z")]
    private static partial Regex Grammar();
}
