using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>
/// Lists of referrers and tags of evidence are asked of the upstream while its rate budget is ample, at most once a second for each, and
/// served from the cache while the upstream cannot answer.
/// </summary>
public sealed class EvidenceFreshnessTests
{
    private const string Bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
    private static readonly TimeSpan Due = TimeSpan.FromSeconds(1.5);
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1000, seed: 91);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Referrer_that_was_just_added_is_listed_also_where_there_was_a_list_before(bool hasApi)
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.HasReferrersApi = hasApi;
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var expected = new List<string>();
        Assert.Empty(await ReferrersAsync(rig, image.Digest));
        for (var i = 0; i < 3; i++)
        {
            expected.Add(rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle));
            if (!hasApi) rig.Hub.WriteFallbackTag(Rig.Name, image.Digest);
            rig.Clock.Advance(Due);
            Assert.Equal(expected.Order(StringComparer.Ordinal), await ReferrersAsync(rig, image.Digest));
        }
    }

    [Fact]
    public async Task Herd_that_lists_referrers_costs_one_request_a_second()
    {
        var clock = new FrozenClock();
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle);
        var backing = rig.Pull(Rig.Name, clock);

        for (var second = 1; second <= 3; second++)
        {
            var lists = Enumerable.Range(0, 50).Select(_ => backing.ReferrersAsync(Rig.D(image.Digest), default).AsTask());
            Assert.All(await Task.WhenAll(lists), list => Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(list));
            Assert.Equal(second, rig.Hub.Count(r => r.IsReferrers));
            clock.Advance(TimeSpan.FromSeconds(0.9));
            await backing.ReferrersAsync(Rig.D(image.Digest), default);
            Assert.Equal(second, rig.Hub.Count(r => r.IsReferrers));
            clock.Advance(TimeSpan.FromSeconds(0.2));
        }
    }

    [Fact]
    public async Task Unchanged_list_with_an_ETag_is_asked_for_conditionally_and_stays()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var signature = rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle);
        rig.Hub.When(r => r.IsReferrers && r.Headers.GetValueOrDefault("If-None-Match") == "\"one\"").Respond(304);
        rig.Hub.When(r => r.IsReferrers).Header("ETag", "\"one\"");

        for (var i = 0; i < 3; i++)
        {
            Assert.Equal([signature], await ReferrersAsync(rig, image.Digest));
            rig.Clock.Advance(Due);
        }

        Assert.Equal([200, 304, 304], rig.Hub.Requests.Where(r => r.IsReferrers).Select(r => r.Status));
    }

    [Fact]
    public async Task Unchanged_fallback_tag_costs_one_HEAD()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.HasReferrersApi = false;
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var signature = rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle);
        rig.Hub.WriteFallbackTag(Rig.Name, image.Digest);
        Assert.Equal([signature], await ReferrersAsync(rig, image.Digest));
        var before = rig.Hub.Requests.Count;

        rig.Clock.Advance(Due);
        Assert.Equal([signature], await ReferrersAsync(rig, image.Digest));

        Assert.Equal(["HEAD"], rig.Hub.Requests.Skip(before).Select(r => r.Method));
    }

    [Fact]
    public async Task Low_rate_budget_lengthens_the_life_of_lists_and_tags_of_evidence()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var tag = TagOf(image, ".sig");
        rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle, tag);
        rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle);
        await rig.PullTagAsync(tag);
        await ReferrersAsync(rig, image.Digest);
        var limits = rig.Hub.LimitRates(20, _ => true);
        for (var i = 0; limits.Used("") < 12; i++)
        {
            rig.Hub.AddImage(Rig.Name, $"spent{i}", ScriptedUpstream.Bytes(100, i));
            await rig.PullTagAsync($"spent{i}");
        }
        var before = rig.Hub.Requests.Count;

        rig.Clock.Advance(TimeSpan.FromMinutes(4));
        await rig.PullTagAsync(tag);
        await ReferrersAsync(rig, image.Digest);

        Assert.Equal(before, rig.Hub.Requests.Count);
    }

    [Fact]
    public async Task Evidence_is_served_from_the_cache_while_the_upstream_fails_or_is_silent()
    {
        await using var rig = await Rig.StartAsync(speed: 40);
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var tag = TagOf(image, ".sig");
        var tagged = rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle, tag);
        var listed = await ReferrersAsync(rig, image.Digest);
        Assert.Equal(tagged, await rig.PullTagAsync(tag));

        foreach (var isSilent in new[] { false, true })
        {
            rig.Hub.Behave();
            var rule = rig.Hub.When(_ => true);
            _ = isSilent ? rule.HangBeforeHeaders() : rule.Respond(503);
            rig.Clock.Advance(TimeSpan.FromMinutes(1));
            var found = await rig.Backing.ReferrersAsync(Rig.D(image.Digest), default).AsTask().InTimeAsync("a cached list is served");
            Assert.Equal(listed, Digests(found));
            Assert.NotNull(found.Handling.Notice);
            Assert.Equal(tagged, await rig.PullTagAsync(tag).InTimeAsync("a cached tag is served"));
        }
        rig.Hub.Behave();
    }

    [Theory]
    [InlineData(".sig")]
    [InlineData(".att")]
    [InlineData(".sbom")]
    [InlineData("")]
    public async Task Tag_of_evidence_that_was_just_written_or_moved_is_served(string suffix)
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var tag = TagOf(image, suffix);
        Assert.Equal("Absent", await rig.PullTagAsync(tag));
        for (var i = 0; i < 2; i++)
        {
            var signature = rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle, tag);
            rig.Clock.Advance(Due);
            Assert.Equal(signature, await rig.PullTagAsync(tag));
        }
    }

    [Fact]
    public async Task Unchanged_tag_of_evidence_is_asked_for_once_a_second_and_other_tags_are_not()
    {
        var clock = new FrozenClock();
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var tag = TagName.Parse(TagOf(image, ".sig"));
        rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle, tag.Value);
        await rig.PullTagAsync(tag.Value);
        await rig.PullTagAsync();
        var backing = rig.Pull(Rig.Name, clock);
        clock.Advance(TimeSpan.FromSeconds(10));
        var before = rig.Hub.Requests.Count;

        for (var second = 1; second <= 3; second++)
        {
            for (var i = 0; i < 3; i++)
            {
                await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => backing.ResolveAsync(tag, default).AsTask()));
                await backing.ResolveAsync(TagName.Parse("v1"), default);
                Assert.Equal(before + second, rig.Hub.Requests.Count);
                clock.Advance(TimeSpan.FromSeconds(0.3));
            }
            clock.Advance(TimeSpan.FromSeconds(0.2));
        }
    }

    [Fact]
    public async Task Tag_of_evidence_that_the_options_call_immutable_is_not_asked_for()
    {
        await using var rig = await Rig.StartAsync(o => o with { Tags = new() { Immutable = ["sha256-*"] } });
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var tag = TagOf(image, ".sig");
        var signature = rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle, tag);
        Assert.Equal(signature, await rig.PullTagAsync(tag));
        rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle, tag);
        rig.Clock.Advance(Due);
        Assert.Equal(signature, await rig.PullTagAsync(tag));
    }

    [Fact]
    public async Task Evidence_that_must_not_be_stale_is_served_for_the_life_of_its_tag_while_the_upstream_is_down()
    {
        await using var rig = await Rig.StartAsync(o => o with { Tags = new() { OnUnavailable = StaleUse.Deny } });
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var tag = TagOf(image, ".sig");
        var signature = rig.Hub.AddReferrer(Rig.Name, image.Digest, Bundle, tag);
        Assert.Equal(signature, await rig.PullTagAsync(tag));
        rig.Hub.When(_ => true).Respond(503);
        rig.Clock.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal(signature, await rig.PullTagAsync(tag));
        rig.Clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal("Unavailable", await rig.PullTagAsync(tag));
    }

    private static string TagOf(ScriptedImage image, string suffix) => image.Digest.Replace(':', '-') + suffix;

    private static async Task<string[]> ReferrersAsync(Rig rig, string subject) =>
        Digests(await rig.Backing.ReferrersAsync(Rig.D(subject), default));

    private static string[] Digests(Result<IReadOnlyList<Descriptor>> result) =>
        [.. Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(result).Value.Select(d => d.Digest.ToString())];

    /// <summary>A clock that moves only when the test advances it. Its timers are the system's.</summary>
    private sealed class FrozenClock : TimeProvider
    {
        private readonly DateTimeOffset _start = DateTimeOffset.UtcNow;
        private long _moved;

        public override DateTimeOffset GetUtcNow() => _start + TimeSpan.FromTicks(Interlocked.Read(ref _moved));

        public void Advance(TimeSpan by) => Interlocked.Add(ref _moved, by.Ticks);
    }
}
