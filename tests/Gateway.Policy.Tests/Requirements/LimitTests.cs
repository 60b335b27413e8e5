using System.Collections.Immutable;
using Gateway.Oci;
using Xunit;
using static Gateway.Policy.Tests.Requirements.Asking;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests.Requirements;

/// <summary>Limits of size and age.</summary>
public sealed class LimitTests
{
    private static Manifest Sized(params long[] layers) =>
        Image with
        {
            Layers = [.. layers.Select(static size => Descriptor(Gzip) with { Size = size })],
            Config = Descriptor(MediaTypes.OciConfig) with { Size = 10 },
        };

    private static RequireOptions Limit(LimitOptions limits) => new() { Limits = limits };

    [Theory]
    [InlineData(10 + 20, true)]
    [InlineData(10 + 19, false)]
    public void Total_size_over_the_limit_is_refused(long most, bool admitted)
    {
        var verdict = Limit(new() { MaxTotalBytes = most }).Ask(Question(Sized(15, 5)));
        Assert.Equal(admitted, verdict.Admits);
        if (!admitted)
            Assert.Equal(
                (ReasonCodes.LimitTotalBytes, "at most 29 bytes", "30 bytes"),
                (verdict.Reasons[0].Code, verdict.Reasons[0].Expected, verdict.Reasons[0].Found));
    }

    [Fact]
    public void Sum_of_the_largest_sizes_does_not_turn_negative() =>
        Assert.False(
            Limit(new() { MaxTotalBytes = (1L << 53) - 1 }).Ask(Question(Sized([.. Enumerable.Repeat((1L << 53) - 1, 1500)]))).Admits);

    [Fact]
    public void Layer_over_the_limit_is_refused_and_named()
    {
        var limit = Limit(new() { MaxLayerBytes = 7 });
        Assert.True(limit.Ask(Question(Sized(7, 7))).Admits);
        var reason = Assert.Single(limit.Ask(Question(Sized(7, 8))).Reasons);
        Assert.Equal((ReasonCodes.LimitLayerBytes, "layers[1]"), (reason.Code, reason.Path));
    }

    [Fact]
    public void Too_many_layers_are_refused()
    {
        var limit = Limit(new() { MaxLayers = 2 });
        Assert.True(limit.Ask(Question(Sized(1, 1))).Admits);
        Assert.Equal([ReasonCodes.LimitLayers], limit.Ask(Question(Sized(1, 1, 1))).Codes());
        Assert.True(Limit(new() { MaxLayers = 0 }).Ask(Question(Sized())).Admits);
    }

    [Fact]
    public void Size_limits_apply_to_manifests_below_an_index_and_to_evidence()
    {
        var limit = Limit(new() { MaxLayers = 1 });
        Assert.Equal([ReasonCodes.ChildDenied], limit.Ask(Question(Index(Image), Image)).Codes());
        Assert.Equal([ReasonCodes.LimitLayers], limit.Ask(Question(CosignSignature)).Codes());
    }

    private static PolicyInput Seen(PolicyInput input, params (Digest, TimeSpan)[] ago) => input.With(facts => facts with
    {
        FirstSeen = ago.ToImmutableDictionary(static one => one.Item1, static one => Now - one.Item2),
    });

    [Theory]
    [InlineData(3, true)]
    [InlineData(2.99, false)]
    [InlineData(0, false)]
    public void Manifest_is_not_served_before_its_minimum_age(double days, bool admitted)
    {
        var ago = TimeSpan.FromDays(days);
        var verdict = Limit(new() { MinAge = TimeSpan.FromDays(3) }).Ask(Seen(Question(Image).At(Stage.Pull), (DigestOf(Image), ago)));
        Assert.Equal(admitted, verdict.Admits);
        Assert.Equal(admitted ? null : Now - ago + TimeSpan.FromDays(3), verdict.Until);
        if (!admitted) Assert.Equal([ReasonCodes.LimitMinAge], verdict.Codes());
    }

    [Theory]
    [InlineData(Stage.Push, true)]
    [InlineData(Stage.Tag, true)]
    [InlineData(Stage.Promote, true)]
    [InlineData(Stage.ProxyFetch, false)]
    [InlineData(Stage.Pull, false)]
    public void Minimum_age_is_checked_at_fetches_and_pulls_only(Stage stage, bool admitted) =>
        Assert.Equal(admitted, Limit(new() { MinAge = TimeSpan.FromHours(1) }).Ask(Question(Image).At(stage)).Admits);

    [Fact]
    public void Manifest_without_a_first_seen_time_has_age_zero() =>
        Assert.Equal(Now.AddHours(1), Limit(new() { MinAge = TimeSpan.FromHours(1) }).Ask(Question(Image).At(Stage.Pull)).Until);

    [Fact]
    public void Age_of_an_image_counts_from_the_oldest_index_that_names_it()
    {
        var limit = Limit(new() { MinAge = TimeSpan.FromDays(3) });
        var index = Index(Image);
        var child = Seen(
            Question(Image).At(Stage.Pull), (DigestOf(Image), TimeSpan.FromMinutes(1)), (DigestOf(index), TimeSpan.FromDays(4)));
        Assert.False(limit.Ask(child).Admits);
        Assert.True(limit.Ask(child.With(facts => facts with { Above = [(DigestOf(index), index)] })).Admits);
    }

    [Theory]
    [InlineData(9.99, true)]
    [InlineData(10, false)]
    public void Old_manifest_is_no_longer_served(double days, bool admitted)
    {
        var ago = TimeSpan.FromDays(days);
        var verdict = Limit(new() { MaxAge = TimeSpan.FromDays(10) }).Ask(Seen(Question(Image).At(Stage.Pull), (DigestOf(Image), ago)));
        Assert.Equal(admitted, verdict.Admits);
        Assert.Equal(admitted ? Now - ago + TimeSpan.FromDays(10) : null, verdict.Until);
        if (!admitted) Assert.Equal([ReasonCodes.LimitMaxAge], verdict.Codes());
    }

    [Fact]
    public void New_index_makes_no_image_below_it_younger()
    {
        var limit = Limit(new() { MaxAge = TimeSpan.FromDays(10) });
        var index = Index(Image, CosignBundle);
        PolicyInput At(double days) => Seen(
            Question(index, Image, CosignBundle).At(Stage.Pull),
            (DigestOf(index), TimeSpan.Zero), (DigestOf(Image), TimeSpan.FromDays(days)), (DigestOf(CosignBundle), TimeSpan.FromDays(99)));
        Assert.Equal((true, Now.AddDays(1)), (limit.Ask(At(9)).Admits, limit.Ask(At(9)).Until));
        Assert.Equal([ReasonCodes.ChildDenied], limit.Ask(At(10)).Codes());
    }

    [Fact]
    public void Age_limits_do_not_apply_to_evidence() =>
        Assert.True(Limit(new() { MinAge = TimeSpan.FromDays(1) }).Ask(Question(CosignBundle).At(Stage.Pull)).Admits);
}
