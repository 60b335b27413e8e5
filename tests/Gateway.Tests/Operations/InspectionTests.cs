using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Tests.Repositories;
using Xunit;

namespace Gateway.Tests.Operations;

/// <summary>What pages read of a repository: the verdicts are those of pulls.</summary>
public sealed class InspectionTests : HoldCases
{
    private Inspection Look => _rig.Repository.Inspect(new());

    [Fact]
    public async Task Evidence_about_a_held_image_is_held_on_pages_as_in_pulls()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        Ok(await _rig.SignAsync(digest, _rig.WrongKey));
        var tag = TagName.Parse($"sha256-{digest.Hex}.sig");
        var signature = (await Look.ReadAsync(Look.LiveOf(tag), default))!;
        foreach (var named in (TagName?[])[tag, null])
        {
            var verdict = await Look.VerdictAsync(signature, named, Stage.Pull, default);
            Assert.False(verdict.Admits);
            Assert.Equal("SUBJECT_HELD", verdict.Reasons[0].Code);
        }
        Assert.False(await Look.ShowsNameAsync(tag, default));
        Assert.Equal("Hidden", await PullerSees(tag.Value));

        Ok(await _rig.SignAsync(digest));

        Assert.True((await Look.VerdictAsync(signature, tag, Stage.Pull, default)).Admits);
        Assert.True(await Look.ShowsNameAsync(tag, default));
    }

    [Fact]
    public async Task Tags_of_manifests_end_at_the_bound_and_say_so()
    {
        var free = _rig.At("free/app");
        var (digest, _) = await _rig.PushAsync("a", "one", free);
        await _rig.PushAsync("b", "one", free);
        var (other, _) = await _rig.PushAsync("c", "two", free);
        var look = free.Inspect(new());

        var (some, hasMore) = await look.TagsOfAsync(new HashSet<Digest> { digest }, 1, default);
        Assert.Equal(["a"], some.Select(static found => found.Tag.Value));
        Assert.True(hasMore);
        (some, hasMore) = await look.TagsOfAsync(new HashSet<Digest> { digest, other }, 3, default);
        Assert.Equal(["a", "b", "c"], some.Select(static found => found.Tag.Value));
        Assert.False(hasMore);
    }
}
