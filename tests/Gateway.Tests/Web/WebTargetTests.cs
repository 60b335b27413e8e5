using Gateway.Web;
using Xunit;

namespace Gateway.Tests.Web;

/// <summary>Which request targets go to an upstream's web application, which the gateway answers, and which are refused.</summary>
public sealed class WebTargetTests
{
    [Theory]
    [InlineData("/")]
    [InlineData("/?a=b")]
    [InlineData("/harbor/projects")]
    [InlineData("/api/v2.0/projects?page=1&page_size=15&q=a%2Fb%3D..%2F")]
    // Harbor encodes the slash in a repository's name twice, GitLab that of a project once.
    [InlineData("/api/v2.0/projects/library/repositories/team%252Fapp/artifacts/sha256:0123/tags")]
    [InlineData("/api/v4/projects/group%2Fproject")]
    [InlineData("/service/token?service=harbor-registry&scope=repository:a:pull")]
    [InlineData("/tokens/")]
    [InlineData("/v2-docs/")]
    [InlineData("/api/v2/users")]
    [InlineData("/a/v2/readme")]
    [InlineData("/group/project/compare/a...b")]
    [InlineData("/files/100%25")]
    [InlineData("/files/C%23/%C3%A4.txt")]
    [InlineData("/a.b/..c/d..")]
    [InlineData("/x@y:z,(1)*~'!$&+=/[a]^|")]
    [InlineData("/.well-known/openid-configuration")]
    public void Ordinary_target_is_forwarded(string target) =>
        Assert.Equal((null, false), (WebTarget.ProblemOf(target), WebTarget.IsOfGateway(target)));

    [Theory]
    [InlineData("/v2")]
    [InlineData("/v2?n=1")]
    [InlineData("/v2/")]
    [InlineData("/v2/../x")]
    [InlineData("/token")]
    [InlineData("/token?scope=a")]
    [InlineData("/-/promote")]
    [InlineData("/-/")]
    public void Target_of_the_gateway_is_its_own(string target) => Assert.True(WebTarget.IsOfGateway(target));

    public static TheoryData<string> Bypasses => [.. WebBypasses.Targets];

    [Theory]
    [MemberData(nameof(Bypasses))]
    public void Target_that_some_server_reads_as_the_registry_API_is_refused(string target) =>
        Assert.True(WebTarget.ProblemOf(target) is not null || WebTarget.IsOfGateway(target), target);

    [Theory]
    [InlineData("", "begins with '/'")]
    [InlineData("*", "begins with '/'")]
    [InlineData("a.example:443", "begins with '/'")]
    [InlineData("http://a.example/x", "begins with '/'")]
    [InlineData("/a b", "printable ASCII")]
    [InlineData("/a#b", "printable ASCII")]
    [InlineData("/\u00e4", "printable ASCII")]
    [InlineData("/a?b#c", "printable ASCII")]
    [InlineData("/a%", "hexadecimal")]
    [InlineData("/a%2", "hexadecimal")]
    [InlineData("/a%zz", "hexadecimal")]
    [InlineData("/a%0d%0aX:1", "control")]
    [InlineData("/a%250a", "control")]
    [InlineData("/a%00", "control")]
    [InlineData("/a%7f", "control")]
    [InlineData("/a%ff", "UTF-8")]
    [InlineData("/a/%c0%ae", "UTF-8")]
    [InlineData("/a/%EF%BC%8E", "looks like")]
    [InlineData("/%25252525252525", "times over")]
    public void Refusal_names_the_problem(string target, string problem) =>
        Assert.Contains(problem, WebTarget.ProblemOf(target), StringComparison.Ordinal);

    /// <summary>
    /// Spells paths to the registry API with each character plain or encoded up to three times over, so that a server that decodes as often
    /// would read the path.
    /// </summary>
    [Fact]
    public void Randomly_encoded_paths_to_the_registry_API_are_refused()
    {
        var random = new Random(20261130);
        for (var i = 0; i < 20_000; i++)
        {
            var plain = Plains[random.Next(Plains.Length)];
            var spelled = string.Concat(plain.Select(c => Spell(c, random)));
            Assert.True(WebTarget.ProblemOf(spelled) is not null || WebTarget.IsOfGateway(spelled), spelled);
        }
    }

    private static readonly string[] Plains =
    [
        "/v2/", "/v2/a/manifests/b", "/V2/a/blobs/c", "//v2/", "/./v2/", "/x/../v2/", "/x/..;/v2/", "/x/..\\v2/", "/v2;a=b/", "/v2./",
        "/v2 /", "/v1/", "/token", "/-/promote", "/repository/docker/v2/a/manifests/b", "/a/b/../../v2/_catalog",
    ];

    private static string Spell(char c, Random random)
    {
        var mustEncode = c is ' ' or '\\';
        if (c == '/' && random.Next(2) == 0) return "/";
        var times = random.Next(mustEncode ? 1 : 0, 4);
        var spelled = c.ToString();
        for (var i = 0; i < times; i++) spelled = i == 0 ? $"%{(int)c:x2}" : spelled.Replace("%", "%25", StringComparison.Ordinal);
        return random.Next(2) == 0 ? spelled : spelled.ToUpperInvariant();
    }
}
