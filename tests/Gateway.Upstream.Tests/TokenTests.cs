using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Tokens and passwords: which hosts receive them, how often the gateway requests them, and the effect of a refusal.</summary>
public sealed class TokenTests : UpstreamTest
{
    private const string Canary = "canary-5d41402abc4b";

    private static RegistryOptions WithPassword(RegistryOptions options, string password = Canary) =>
        options with { Credentials = [new() { Username = "me", Password = password }] };

    private static void Accept(TokenAccess access, string password = Canary) => (access.Username, access.Password) = ("me", password);

    private async Task<int> PullAsync(IUpstreamRegistry upstream)
    {
        await using var response = await upstream.SendAsync(Manifest(), default);
        return response.Status;
    }

    [Theory]
    [InlineData("token", 300)]
    [InlineData("access_token", null)]
    public async Task Token_is_fetched_once_with_the_password_and_reused(string field, int? expiresIn)
    {
        var access = Hub.RequireToken();
        Accept(access);
        (access.Field, access.ExpiresIn) = (field, expiresIn);
        var upstream = await BuildAsync(WithPassword(OptionsFor(Hub)));
        for (var i = 0; i < 3; i++) Assert.Equal(200, await PullAsync(upstream));
        var asked = Assert.Single(Hub.Requests, r => r.IsToken);
        Assert.StartsWith("Basic ", asked.Authorization, StringComparison.Ordinal);
        Assert.Equal($"?service=scripted&scope={Uri.EscapeDataString($"repository:{Name}:pull")}", asked.Query);
        Assert.Equal(1, Hub.Count(r => r.Status == 401));
    }

    [Fact]
    public async Task Anonymous_token_is_requested_without_credentials()
    {
        Hub.RequireToken();
        Assert.Equal(200, await PullAsync(await BuildAsync()));
        Assert.Null(Assert.Single(Hub.Requests, r => r.IsToken).Authorization);
    }

    [Fact]
    public async Task Concurrent_requests_fetch_the_same_token_once()
    {
        Hub.RequireToken();
        var gate = new TaskCompletionSource();
        Hub.When(r => r.IsToken).WaitFor(gate.Task);
        var upstream = await BuildAsync();
        var pulls = Enumerable.Range(0, 20).Select(_ => PullAsync(upstream)).ToArray();
        await Hub.ReceivedAsync(r => r.IsToken && Hub.Count(q => q.Status == 401) == 20);
        gate.SetResult();
        Assert.All(await Task.WhenAll(pulls), status => Assert.Equal(200, status));
        Assert.Equal(1, Hub.Count(r => r.IsToken));
    }

    [Fact]
    public async Task Token_is_renewed_ten_seconds_before_it_expires()
    {
        Hub.RequireToken().ExpiresIn = 60;
        var upstream = await BuildAsync();
        await PullAsync(upstream);
        Clock.Advance(TimeSpan.FromSeconds(45));
        await PullAsync(upstream);
        Assert.Equal(1, Hub.Count(r => r.IsToken));
        Clock.Advance(TimeSpan.FromSeconds(6));
        await PullAsync(upstream);
        Assert.Equal(2, Hub.Count(r => r.IsToken));
    }

    [Fact]
    public async Task Revoked_token_is_replaced_once()
    {
        var access = Hub.RequireToken();
        var upstream = await BuildAsync();
        await PullAsync(upstream);
        access.Revoke();
        Assert.Equal(200, await PullAsync(upstream));
        Assert.Equal(2, Hub.Count(r => r.IsToken));
    }

    [Fact]
    public async Task After_a_fresh_token_is_refused_the_next_requests_fetch_no_token()
    {
        Hub.RequireToken();
        Hub.When(r => r.IsAnyManifest).Challenge($"Bearer realm=\"{Hub.Url}token\",service=\"scripted\"");
        var upstream = await BuildAsync();
        for (var i = 0; i < 5; i++) Assert.Equal(UpstreamFailure.Unauthorized, (await FailureOfAsync(upstream, Manifest())).Failure);
        Assert.Equal(1, Hub.Count(r => r.IsToken));
        Hub.Behave();
        Clock.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(200, await PullAsync(upstream));
    }

    [Fact]
    public async Task Refused_password_is_tried_once_in_fifteen_minutes()
    {
        Accept(Hub.RequireToken(), "another");
        var upstream = await BuildAsync(WithPassword(OptionsFor(Hub)));
        for (var i = 0; i < 5; i++) Assert.Equal(UpstreamFailure.Unauthorized, (await FailureOfAsync(upstream, Manifest())).Failure);
        Assert.Equal(1, Hub.Count(r => r.IsToken));
        Clock.Advance(TimeSpan.FromMinutes(16));
        await FailureOfAsync(upstream, Manifest());
        Assert.Equal(2, Hub.Count(r => r.IsToken));
    }

    [Fact]
    public async Task New_password_in_the_file_is_used_at_once()
    {
        Accept(Hub.RequireToken());
        var file = FileWith("old\n");
        var upstream = await BuildAsync(OptionsFor(Hub) with { Credentials = [new() { Username = "me", PasswordFile = file }] });
        await FailureOfAsync(upstream, Manifest());
        File.WriteAllText(file, $"{Canary}\n");
        Assert.Equal(200, await PullAsync(upstream));
    }

    [Fact]
    public async Task Basic_challenge_is_answered_and_remembered()
    {
        Hub.RequireBasic("me", Canary);
        var upstream = await BuildAsync(WithPassword(OptionsFor(Hub)));
        await PullAsync(upstream);
        await PullAsync(upstream);
        Assert.Equal([401, 200, 200], Hub.Requests.Select(r => r.Status));
    }

    [Fact]
    public async Task Refused_basic_password_is_not_sent_again()
    {
        Hub.RequireBasic("me", "another");
        var upstream = await BuildAsync(WithPassword(OptionsFor(Hub)));
        for (var i = 0; i < 3; i++) Assert.Equal(UpstreamFailure.Unauthorized, (await FailureOfAsync(upstream, Manifest())).Failure);
        // One request for the manifest, and one to the base endpoint, which shows that the password itself is wrong.
        var shown = Hub.Requests.Where(r => r.Authorization is not null).Select(r => r.Path);
        Assert.Equal([$"/v2/{Name}/manifests/latest", "/v2/"], shown);
    }

    [Fact]
    public async Task Refused_password_is_reported_as_401_while_it_is_not_sent()
    {
        Hub.RequireBasic("me", "another");
        var upstream = await BuildAsync(WithPassword(OptionsFor(Hub)));
        for (var i = 0; i < 2; i++) Assert.Equal(401, (await FailureOfAsync(upstream, Manifest())).Status);
    }

    [Fact]
    public async Task Supported_challenge_among_several_is_answered()
    {
        Accept(Hub.RequireToken());
        Hub.When(r => r.IsAnyManifest && r.Authorization is null).Challenge(
            "Negotiate, NEWAUTH param=\"a, b\", type=1",
            $"bearer Realm=\"{Hub.Url}token\", service=scripted, scope=\"repository:{Name}:pull,push\"");
        Assert.Equal(200, await PullAsync(await BuildAsync(WithPassword(OptionsFor(Hub)))));
        Assert.DoesNotContain("push", Assert.Single(Hub.Requests, r => r.IsToken).Query, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Token_server_without_GET_receives_a_POST()
    {
        var access = Hub.RequireToken();
        Accept(access);
        access.PostOnly = true;
        Assert.Equal(200, await PullAsync(await BuildAsync(WithPassword(OptionsFor(Hub)))));
        Assert.Contains($"password={Canary}", Assert.Single(Hub.Requests, r => r.Method == "POST").Form, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Advisory_row_1_foreign_realm_receives_the_password_only_if_it_is_listed()
    {
        var auth = await StartAsync("127.0.0.2");
        Accept(Hub.RequireToken(auth));
        var options = WithPassword(OptionsFor(Hub));
        Assert.Equal(UpstreamFailure.Unauthorized, (await FailureOfAsync(await BuildAsync(options), Manifest())).Failure);
        Assert.Empty(auth.Requests);
        Assert.Contains("realms", Logged.Text, StringComparison.Ordinal);
        Assert.Equal(200, await PullAsync(await BuildAsync(options with { Realms = [auth.Url] })));
        Assert.StartsWith("Basic ", Assert.Single(auth.Requests).Authorization, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Advisory_row_1_unlisted_https_realm_does_not_receive_the_password()
    {
        var auth = await StartAsync("127.0.0.2", https: true);
        Hub.RequireToken(auth);
        Hub.When(r => r.IsAnyManifest && r.Authorization is null).Challenge($"Bearer realm=\"https://localhost:{auth.Url.Port}/token\"");
        var options = WithPassword(OptionsFor(Hub)) with { CertificateAuthority = FileWith(auth.AuthorityPem), Redirects = ["localhost"] };
        var upstream = await BuildAsync(options, (_, _) => Task.FromResult(new[] { System.Net.IPAddress.Parse("127.0.0.2") }));
        Assert.Equal(200, await PullAsync(upstream));
        Assert.Null(Assert.Single(auth.Requests).Authorization);
    }

    [Fact]
    public async Task Advisory_row_2_token_requests_follow_no_redirect()
    {
        var other = await StartAsync("127.0.0.2");
        Accept(Hub.RequireToken());
        Hub.When(r => r.IsToken).Redirect(new Uri(other.Url, "/token"));
        var upstream = await BuildAsync(WithPassword(OptionsFor(Hub)) with { Redirects = ["127.0.0.2"] });
        Assert.Equal(UpstreamFailure.Misbehaving, (await FailureOfAsync(upstream, Manifest())).Failure);
        Assert.Empty(other.Requests);
    }

    [Fact]
    public async Task Advisory_row_2_service_and_scope_cannot_add_parameters()
    {
        Hub.RequireToken();
        Hub.When(r => r.IsAnyManifest && r.Authorization is null).Challenge($"Bearer realm=\"{Hub.Url}token\",service=\"a&account=root#\"");
        await PullAsync(await BuildAsync());
        var asked = Assert.Single(Hub.Requests, r => r.IsToken);
        Assert.Contains("service=a%26account%3Droot%23&scope=repository%3A", asked.Query, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("not json")]
    [InlineData("""{"token":"a\r\nX: y"}""")]
    public async Task Answer_without_a_usable_token_is_misbehaving(string body)
    {
        Hub.RequireToken();
        Hub.When(r => r.IsToken).Respond(200, body);
        Assert.Equal(UpstreamFailure.Misbehaving, (await FailureOfAsync(await BuildAsync(), Manifest())).Failure);
    }

    [Fact]
    public async Task Advisory_row_2_token_answer_over_64_KiB_is_refused()
    {
        Hub.RequireToken();
        Hub.When(r => r.IsToken).Respond(200, $$"""{"token":"{{new string('a', 70_000)}}"}""");
        Assert.Equal(UpstreamFailure.Misbehaving, (await FailureOfAsync(await BuildAsync(), Manifest())).Failure);
    }

    [Fact]
    public async Task Advisory_row_5_token_of_one_credential_is_not_used_for_another()
    {
        var cache = new TokenCache(Clock);
        Task<Token> Fetch(string value) => Task.FromResult(new Token(value, Clock.GetUtcNow(), Clock.GetUtcNow().AddMinutes(5)));
        var mine = new TokenKey("https://a/token", "s", "repository:x:pull", new Credential("me", "1").Id);
        var theirs = mine with { CredentialId = new Credential("them", "1").Id };
        await cache.GetAsync(mine, () => Fetch("mine"), default);
        Assert.Null(cache.Find(theirs));
        Assert.Null(cache.Find(mine with { CredentialId = null }));
        Assert.Equal("theirs", (await cache.GetAsync(theirs, () => Fetch("theirs"), default)).Value);
    }

    [Fact]
    public async Task Number_of_cached_tokens_is_bounded()
    {
        var cache = new TokenCache(Clock);
        TokenKey Key(int i) => new("https://a/token", "s", $"repository:{i}:pull", null);
        for (var i = 0; i < 3000; i++)
        {
            await cache.GetAsync(Key(i), () => Task.FromResult(new Token("t", Clock.GetUtcNow(), Clock.GetUtcNow().AddHours(1))), default);
        }
        Assert.InRange(Enumerable.Range(0, 3000).Count(i => cache.Find(Key(i)) is not null), 1, 1024);
    }

    [Fact]
    public async Task No_message_and_no_log_contains_a_secret()
    {
        var elsewhere = await StartAsync("127.0.0.2");
        var messages = new List<string>();
        foreach (var script in (Action<ScriptedUpstream>[])
        [
            hub => hub.RequireBasic("me", "another"),
            hub => Accept(hub.RequireToken(), "another"),
            hub =>
            {
                hub.RequireToken();
                hub.When(r => r.IsToken).Respond(500, Canary);
            },
            hub => hub.When(r => r.IsAnyManifest).Respond(500, Canary),
            hub => hub.When(r => r.IsAnyManifest).Redirect(new Uri(elsewhere.Url, $"/?signature={Canary}")),
            hub => hub.When(r => r.IsAnyManifest).Challenge($"Bearer realm=\"{elsewhere.Url}token?k={Canary}\""),
        ])
        {
            var hub = await StartAsync();
            hub.AddImage(Name, "latest", Layer);
            script(hub);
            var failure = await FailureOfAsync(await BuildAsync(WithPassword(OptionsFor(hub))), Manifest());
            messages.Add(failure.ToString());
        }
        Assert.DoesNotContain(messages, message => message.Contains(Canary, StringComparison.Ordinal));
        Assert.DoesNotContain(Canary, Logged.Text, StringComparison.Ordinal);
        Assert.Empty(elsewhere.Requests);
    }
}
