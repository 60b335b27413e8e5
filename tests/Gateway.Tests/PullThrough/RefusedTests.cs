using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Storage;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Cached content stays available while an upstream refuses some requests, or the account.</summary>
public sealed class RefusedTests
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1000, seed: 71);

    private static UpstreamOptions WithPassword(UpstreamOptions options) =>
        options with { Credentials = [new() { Username = "me", Password = "right" }] };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Refused_referrers_hide_neither_a_cached_tag_nor_a_new_one(bool byToken)
    {
        await using var rig = await Rig.StartAsync(WithPassword);
        var challenge = byToken ? $"Bearer realm=\"{rig.Hub.Url}token\",service=\"scripted\"" : "Basic realm=\"scripted\"";
        if (byToken) (rig.Hub.RequireToken().Username, rig.Hub.Tokens.Password) = ("me", "right");
        else rig.Hub.RequireBasic("me", "right");
        var (one, two) = (rig.Hub.AddImage(Rig.Name, "v1", Layer), rig.Hub.AddImage(Rig.Name, "v2", Layer));
        await rig.PullTagAsync();
        rig.Hub.When(r => r.IsReferrers || r.IsTags).Challenge(challenge);
        rig.Clock.Advance(TimeSpan.FromMinutes(6));

        await rig.Backing.ReferrersAsync(Rig.D(one.Digest), default);
        await rig.Backing.TagsAfterAsync(null, 10, default);

        Assert.Equal(one.Digest, await rig.PullTagAsync());
        Assert.Equal(two.Digest, await rig.PullTagAsync("v2"));
    }

    [Fact]
    public async Task Refused_account_hides_no_cached_content()
    {
        await using var rig = await Rig.StartAsync(WithPassword);
        (rig.Hub.RequireToken().Username, rig.Hub.Tokens.Password) = ("me", "right");
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        await Rig.ReadAsync(rig.Backing, image.Layers[0]);
        rig.Hub.Tokens.Password = "changed";
        rig.Hub.Tokens.Revoke();
        rig.Clock.Advance(TimeSpan.FromMinutes(6));

        Assert.Equal(image.Digest, await rig.PullTagAsync());
        Assert.Contains("refused the credentials of me", (await rig.ResolveAsync()).Notice, StringComparison.Ordinal);
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, image.Layers[0]));
        var tags = Assert.IsType<Result<Page<TagName>>.Found>(await rig.Backing.TagsAfterAsync(null, 10, default));
        Assert.Equal("v1", Assert.Single(tags.Value.Items).Value);
        // The password is sent once, not once for each request.
        Assert.Equal(2, rig.Hub.Count(r => r.IsToken));
        Assert.Equal("Absent", await rig.PullTagAsync("v2"));
    }

    [Fact]
    public async Task Refused_account_hides_cached_content_if_stale_content_is_not_allowed()
    {
        await using var rig = await Rig.StartAsync(
            o => WithPassword(o) with { Tags = o.Tags with { OnUnavailable = StaleUse.Deny } });
        (rig.Hub.RequireToken().Username, rig.Hub.Tokens.Password) = ("me", "right");
        rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        rig.Hub.Tokens.Password = "changed";
        rig.Hub.Tokens.Revoke();
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        Assert.Equal("Absent", await rig.PullTagAsync());
    }
}
