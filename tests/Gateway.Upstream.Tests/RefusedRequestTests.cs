using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>A 401 applies to one request only, unless the token server or <c>/v2/</c> refuses the account itself.</summary>
public sealed class RefusedRequestTests : UpstreamTest
{
    private static readonly RepositoryName Repository = RepositoryName.Parse(Name);

    /// <summary>Requests that real registries answer 401 although the credentials are valid for other requests.</summary>
    public static TheoryData<string, bool> Refused
    {
        get
        {
            var data = new TheoryData<string, bool>();
            foreach (var what in new[] { "HEAD blob", "GET referrers", "GET tags", "HEAD tag .sig" })
            {
                data.Add(what, true);
                data.Add(what, false);
            }
            return data;
        }
    }

    private UpstreamRequest RequestOf(string what) => what switch
    {
        // ECR Public (aws/containers-roadmap#2671).
        "HEAD blob" => new(HttpMethod.Head, UpstreamNoun.Blob, Repository, Image.Layers[0]),
        "GET referrers" => new(HttpMethod.Get, UpstreamNoun.Referrers, Repository, Image.Digest),
        "GET tags" => new(HttpMethod.Get, UpstreamNoun.Tags, Repository, ""),
        _ => Manifest("sha256-abc.sig", HttpMethod.Head),
    };

    private static bool IsMeant(string what, ReceivedRequest r) => what switch
    {
        "HEAD blob" => r.IsHead && r.IsAnyBlob,
        "GET referrers" => r.IsReferrers,
        "GET tags" => r.IsTags,
        _ => r.IsHead && r.Reference.EndsWith(".sig", StringComparison.Ordinal),
    };

    private RegistryOptions WithPassword() => OptionsFor(Hub) with { Credentials = [new() { Username = "me", Password = "right" }] };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task Answer_401_to_one_request_does_not_affect_other_requests(string what, bool byToken)
    {
        if (byToken) (Hub.RequireToken().Username, Hub.Tokens.Password) = ("me", "right");
        else Hub.RequireBasic("me", "right");
        var challenge = byToken ? $"Bearer realm=\"{Hub.Url}token\",service=\"scripted\"" : "Basic realm=\"scripted\"";
        Hub.When(r => IsMeant(what, r)).Challenge(challenge);
        var upstream = await BuildAsync(WithPassword());

        Assert.Equal(UpstreamFailure.Unauthorized, (await FailureOfAsync(upstream, RequestOf(what))).Failure);

        Assert.Equal(Image.Manifest, await ReadAsync(await upstream.SendAsync(Manifest(), default)));
        Assert.Equal(Layer, await ReadAsync(await upstream.SendAsync(Blob(), default)));
        await using var head = await upstream.SendAsync(Manifest(method: HttpMethod.Head), default);
        Assert.Equal(200, head.Status);
        if (byToken) Assert.Equal(1, Hub.Count(r => r.IsToken));
        else Assert.Equal(1, Hub.Count(r => r.Path == "/v2/"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Refused_request_is_not_sent_again_within_ten_seconds(bool byToken)
    {
        if (byToken) Hub.RequireToken();
        else Hub.RequireBasic("me", "right");
        var challenge = byToken ? $"Bearer realm=\"{Hub.Url}token\",service=\"scripted\"" : "Basic realm=\"scripted\"";
        Hub.When(r => r.IsTags).Challenge(challenge);
        var upstream = await BuildAsync(byToken ? OptionsFor(Hub) : WithPassword());
        for (var i = 0; i < 5; i++) await FailureOfAsync(upstream, RequestOf("GET tags"));
        Assert.Equal(2, Hub.Count(r => r.IsTags));
        Hub.Behave();
        Clock.Advance(TimeSpan.FromSeconds(11));
        await using var answer = await upstream.SendAsync(RequestOf("GET tags"), default);
        Assert.Equal(200, answer.Status);
    }

    [Fact]
    public async Task Refused_repository_costs_one_token_and_one_request_for_each_reference()
    {
        Hub.RequireToken();
        Hub.When(r => r.IsAnyManifest || r.IsAnyBlob).Challenge($"Bearer realm=\"{Hub.Url}token\",service=\"scripted\"");
        var upstream = await BuildAsync();
        for (var i = 0; i < 5; i++) await FailureOfAsync(upstream, Manifest($"v{i}"));
        Assert.Equal(1, Hub.Count(r => r.IsToken));
        Assert.Equal(6, Hub.Count(r => r.IsAnyManifest));
    }

    [Fact]
    public async Task Revoked_token_is_replaced_although_another_request_was_refused()
    {
        var access = Hub.RequireToken();
        Hub.When(r => r.IsTags).Challenge($"Bearer realm=\"{Hub.Url}token\",service=\"scripted\"");
        var upstream = await BuildAsync();
        await FailureOfAsync(upstream, RequestOf("GET tags"));
        access.Revoke();
        Clock.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(Image.Manifest, await ReadAsync(await upstream.SendAsync(Manifest(), default)));
    }

    [Fact]
    public async Task Password_is_checked_at_the_base_endpoint_at_most_once_a_minute()
    {
        Hub.RequireBasic("me", "right");
        Hub.When(r => r.IsHead && r.IsAnyManifest).Challenge("Basic realm=\"scripted\"");
        var upstream = await BuildAsync(WithPassword());
        for (var i = 0; i < 5; i++) await FailureOfAsync(upstream, Manifest($"v{i}", HttpMethod.Head));
        Assert.Equal(1, Hub.Count(r => r.Path == "/v2/"));
        // The password changes at the upstream.
        Hub.RemoveUser("me", "right");
        Clock.Advance(TimeSpan.FromSeconds(61));
        Assert.True((await FailureOfAsync(upstream, Manifest())).IsOfAccount);
        var before = Hub.Requests.Count;
        Assert.True((await FailureOfAsync(upstream, Blob())).IsOfAccount);
        Assert.Equal(before, Hub.Requests.Count);
    }

    [Fact]
    public async Task Password_is_not_refused_if_the_base_endpoint_does_not_answer()
    {
        Hub.RequireBasic("me", "right");
        Hub.When(r => r.Path == "/v2/").Respond(502);
        Hub.When(r => r.IsTags).Challenge("Basic realm=\"scripted\"");
        var upstream = await BuildAsync(WithPassword());
        await FailureOfAsync(upstream, RequestOf("GET tags"));
        Assert.Equal(Image.Manifest, await ReadAsync(await upstream.SendAsync(Manifest(), default)));
    }
}
