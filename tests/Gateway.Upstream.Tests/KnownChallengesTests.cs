using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Endpoints with several token servers, and token servers that move.</summary>
public sealed class KnownChallengesTests : UpstreamTest
{
    private const string Other = "library/redis";

    private static async Task<int> PullAsync(IUpstreamRegistry upstream, string name = Name)
    {
        var request = new UpstreamRequest(HttpMethod.Get, UpstreamNoun.Manifest, RepositoryName.Parse(name), "latest");
        await using var response = await upstream.SendAsync(request, default);
        return response.Status;
    }

    /// <summary>Artifactory by path: one token server for each repository key, and each knows its own repositories only.</summary>
    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(404)]
    public async Task Repository_is_requested_with_a_token_of_the_token_server_that_its_challenge_names(int refusal)
    {
        Hub.AddImage(Other, "latest", Layer);
        Hub.RequireToken();
        foreach (var (name, key) in new[] { (Name, "a"), (Other, "b") })
        {
            Hub.When(r => r.IsToken && r.Query.Contains(Uri.EscapeDataString(name), StringComparison.Ordinal)
                && !r.Query.Contains($"key={key}", StringComparison.Ordinal)).Respond(refusal);
            Hub.When(r => r.Name == name && !Hub.Tokens.Given.Any(t => r.Authorization == $"Bearer {t}"))
                .Challenge($"Bearer realm=\"{Hub.Url}token?key={key}\",service=\"scripted\"");
        }
        var upstream = await BuildAsync();
        Assert.Equal(200, await PullAsync(upstream));
        // The gateway expects one token server for all, so the first request of another repository may fail.
        await Assert.ThrowsAsync<UpstreamException>(() => PullAsync(upstream, Other));
        foreach (var name in new[] { Other, Name, Other }) Assert.Equal(200, await PullAsync(upstream, name));
        Clock.Advance(TimeSpan.FromHours(1));
        var before = Hub.Requests.Count;
        foreach (var name in new[] { Name, Other, Name }) Assert.Equal(200, await PullAsync(upstream, name));
        // Each new token costs one request, and nothing is refused.
        Assert.Equal(5, Hub.Requests.Count - before);
        Assert.All(Hub.Requests.Skip(before), r => Assert.Equal(200, r.Status));
    }

    [Theory]
    [InlineData(404)]
    [InlineData(500)]
    public async Task Token_server_that_moved_is_found_by_the_next_request(int status)
    {
        var (old, moved) = (await StartAsync("127.0.0.2"), await StartAsync("127.0.0.3"));
        Hub.RequireToken(old);
        var upstream = await BuildAsync(OptionsFor(Hub) with { Realms = [old.Url, moved.Url] });
        Assert.Equal(200, await PullAsync(upstream));
        old.When(_ => true).Respond(status);
        Hub.RequireToken(moved);
        Clock.Advance(TimeSpan.FromHours(1));
        await FailureOfAsync(upstream, Manifest());
        Clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal(200, await PullAsync(upstream));
    }

    [Theory]
    [InlineData(401)]
    [InlineData(404)]
    [InlineData(500)]
    public async Task Refused_token_is_replaced_by_one_of_the_token_server_that_the_refusal_names(int status)
    {
        var (old, moved) = (await StartAsync("127.0.0.2"), await StartAsync("127.0.0.3"));
        Hub.RequireToken(old);
        var upstream = await BuildAsync(OptionsFor(Hub) with { Realms = [old.Url, moved.Url] });
        Assert.Equal(200, await PullAsync(upstream));
        old.When(_ => true).Respond(status);
        Hub.RequireToken(moved);
        Assert.Equal(200, await PullAsync(upstream));
        Assert.Equal(200, await PullAsync(upstream));
    }

    [Fact]
    public async Task Old_token_server_is_not_asked_with_the_account_after_the_registry_named_another_one()
    {
        var (old, moved) = (await StartAsync("127.0.0.2"), await StartAsync("127.0.0.3"));
        (old.Tokens.Username, old.Tokens.Password) = (moved.Tokens.Username, moved.Tokens.Password) = ("gateway", "secret");
        Hub.RequireToken(old);
        var options = OptionsFor(Hub) with
        {
            Realms = [old.Url, moved.Url], Credentials = [new() { Username = "gateway", Password = "secret" }],
        };
        var upstream = await BuildAsync(options);
        Assert.Equal(200, await PullAsync(upstream));
        old.When(_ => true).Respond(401);
        Hub.RequireToken(moved);
        var before = old.Requests.Count;
        Assert.Equal(200, await PullAsync(upstream));
        Assert.Equal(200, await PullAsync(upstream));
        Assert.Equal(before, old.Requests.Count);
    }

    /// <summary>nvcr.io: the challenge to an expired token names a token server that knows no anonymous clients.</summary>
    [Fact]
    public async Task Expired_token_is_renewed_at_the_token_server_that_gave_it()
    {
        var strict = await StartAsync("127.0.0.2");
        strict.When(_ => true).Respond(401);
        Hub.RequireToken();
        var upstream = await BuildAsync(OptionsFor(Hub) with { Realms = [strict.Url] });
        Assert.Equal(200, await PullAsync(upstream));
        var old = $"Bearer {Assert.Single(Hub.Tokens.Given)}";
        Hub.Tokens.Revoke();
        Hub.When(r => r.IsAnyManifest && r.Authorization == old).Challenge($"Bearer realm=\"{strict.Url}token\",service=\"scripted\"");
        Assert.Equal(200, await PullAsync(upstream));
        Assert.Empty(strict.Requests);
    }
}
