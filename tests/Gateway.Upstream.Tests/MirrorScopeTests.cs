using System.Text;
using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Token servers with another name for a repository than the request, and answers of token servers.</summary>
public sealed class MirrorScopeTests : UpstreamTest
{
    private const string Other = "library/redis";

    /// <summary>
    /// A mirror whose challenges name repositories with a prefix, and that accepts only tokens for those names: Artifact Registry, Harbor's
    /// proxy projects (containerd#13412), ghcr.io as a mirror (containerd#9648), Artifactory behind a path (oras-go#650).
    /// </summary>
    private void MirrorUnder(string prefix, string actions)
    {
        Hub.AddImage(Other, "latest", Layer);
        var realm = $"Bearer realm=\"{Hub.Url}token\",service=\"scripted\"";
        foreach (var name in new[] { Name, Other })
        {
            Hub.When(r => r.Name == name && !Shows(r, $"repository:{prefix}{name}:"))
                .Challenge($"{realm},scope=\"repository:{prefix}{name}:{actions}\"");
        }

        bool Shows(ReceivedRequest r, string scope) =>
            r.Authorization is { } shown && Hub.Requests.Any(t => t.IsToken && t.Status == 200
                && Uri.UnescapeDataString(t.Query).Contains(scope, StringComparison.Ordinal)
                && Hub.Tokens.Given.Any(given => shown == $"Bearer {given}" && IsFor(given, t)));

        // Tokens are issued in the order of their requests, which are sequential here.
        bool IsFor(string given, ReceivedRequest token) =>
            Hub.Tokens.Given.Reverse().ToList().IndexOf(given)
            == Hub.Requests.Where(t => t.IsToken && t.Status == 200).ToList().IndexOf(token);
    }

    [Theory]
    [InlineData("quay.io/", "pull")]
    [InlineData("quay.io/", "pull,push")]
    [InlineData("mirror.example:5000/dockerhub/", "pull")]
    [InlineData("", "pull,push,delete")]
    public async Task Token_request_has_the_repository_of_the_challenge_and_the_action_of_the_gateway(string prefix, string actions)
    {
        MirrorUnder(prefix, actions);
        var upstream = await BuildAsync();
        foreach (var name in new[] { Name, Other, Name, Other })
        {
            var request = new UpstreamRequest(HttpMethod.Get, UpstreamNoun.Manifest, RepositoryName.Parse(name), "latest");
            await using var response = await upstream.SendAsync(request, default);
            Assert.Equal(200, response.Status);
        }
        Assert.Equal(
            [$"repository:{prefix}{Name}:pull", $"repository:{prefix}{Other}:pull"],
            Hub.Requests.Where(r => r.IsToken).Select(r => Uri.UnescapeDataString(r.Query).Split("scope=")[1]));
        // The gateway learns each name by at most one refusal.
        Assert.InRange(Hub.Count(r => r.Status == 401), 1, 2);
        Assert.Equal(4, Hub.Count(r => r.Status == 200 && r.IsAnyManifest));
    }

    [Fact]
    public async Task Upstream_whose_challenges_name_another_repository_each_time_is_unauthorized()
    {
        var names = 0;
        Hub.When(r =>
        {
            if (r.IsAnyManifest) names++;
            return r.IsAnyManifest && names % 2 == 1;
        }).Challenge($"Bearer realm=\"{Hub.Url}token\",scope=\"repository:a/a:pull\"");
        Hub.When(r => r.IsAnyManifest).Challenge($"Bearer realm=\"{Hub.Url}token\",scope=\"repository:b/b:pull\"");
        Assert.Equal(UpstreamFailure.Unauthorized, (await FailureOfAsync(await BuildAsync(), Manifest())).Failure);
        Assert.InRange(Hub.Requests.Count, 2, 8);
    }

    [Theory]
    [InlineData("repository:quay.io/x/y:pull", "quay.io/x/y")]
    [InlineData("repository:host:5000/x:pull,push", "host:5000/x")]
    [InlineData("repository:a/b:pull repository:library/nginx:pull", "library/nginx")]
    [InlineData("aws", "library/nginx")] // ECR Public
    [InlineData("", "library/nginx")]
    [InlineData("registry:catalog:*", "library/nginx")]
    [InlineData("repository(plugin):x/y:pull", "library/nginx")]
    [InlineData("repository:", "library/nginx")]
    [InlineData("repository::pull", "library/nginx")]
    [InlineData("repository:é:pull", "library/nginx")]
    public void Repository_is_read_from_the_scope_of_a_challenge(string scope, string expected)
    {
        var challenge = Assert.Single(Challenge.Parse([$"Bearer realm=\"https://a/token\",scope=\"{scope}\""]));
        Assert.Equal(expected, TokenScope.RepositoryOf(Manifest(), challenge));
    }

    [Theory]
    [InlineData("""{"token":"t","expires_in":"300"}""", "t", 290)]
    [InlineData("""{"token":"t","expires_in":"soon"}""", "t", 50)]
    [InlineData("""{"token":"t","expires_in":0}""", "t", 50)]
    [InlineData("""{"token":"t","expires_in":"0"}""", "t", 50)]
    [InlineData("""{"token":"t","expires_in":-5}""", "t", 50)]
    [InlineData("""{"token":"t","expires_in":null}""", "t", 50)]
    [InlineData("""{"token":"t","expires_in":300.5}""", "t", 290.5)]
    [InlineData("""{"token":"t","expires_in":8}""", "t", 4)]
    [InlineData("""{"token":"t","expires_in":99999999999}""", "t", 3590)]
    [InlineData("""{"token":"t"}""", "t", 50)]
    [InlineData("""{"token":"t","access_token":"a","expires_in":300}""", "t", 290)]
    [InlineData("""{"token":"","access_token":"a","expires_in":300}""", "a", 290)]
    [InlineData("""{"token":null,"access_token":"a","expires_in":300}""", "a", 290)]
    public void Token_and_lifetime_are_read_from_the_answer(string answer, string token, double seconds)
    {
        var read = TokenClient.Read(Encoding.UTF8.GetBytes(answer), Clock.GetUtcNow());
        Assert.Equal((token, seconds), (read!.Value, (read.Until - read.Issued).TotalSeconds));
    }
}
