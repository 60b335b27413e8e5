using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>
/// How many signatures one push verifies. A push by tag is evaluated four times: for pulls by digest, for the push, for the binding of the
/// tag, and for pulls by tag. A signature does not depend on any of these.
/// </summary>
public sealed class VerificationCountTests : IAsyncLifetime
{
    private static readonly RepositoryName Name = RepositoryName.Parse("prod/app");

    private HoldRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await HoldRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(1, 10)]
    [InlineData(2, 10)]
    public async Task Push_verifies_each_signature_once_for_all_its_rules_stages_and_tags(int rules, int tags)
    {
        var (digest, _) = await _rig.PushAsync("first", "image");
        await _rig.SignAsync(digest);
        var rule = HoldRig.Rule(OnMissing.Quarantine);
        _rig.Reload(_rig.Policy! with
        {
            Rules = [.. Enumerable.Range(0, rules).Select(i => rule with { Id = $"signed-{i}" })],
        });
        var engine = new PolicyEngine(_rig.Policy);
        var repository = new Repository(
            Name, _rig.Volume.Pushed(Name), new(engine, new(_rig.Volume.DecisionRing), _rig.Clock), _rig.Volume.Content, new(),
            takesPushes: true,
            _rig.Clock);
        var stored = Assert.IsType<Answer<StoredManifest>.Found>(
            await repository.GetManifestAsync(HoldRig.Pusher, new(digest), default)).Value;
        var before = engine.SignaturesVerified;
        var names = Enumerable.Range(0, tags).Select(i => TagName.Parse($"v{i}")).ToImmutableArray();
        var pushed = await repository.PutManifestAsync(
            HoldRig.Pusher, new(new(digest), names, MediaTypes.OciManifest, stored.Bytes), default);
        Assert.Null(Assert.IsType<Answer<PushedManifest>.Found>(pushed).Warning);
        Assert.Equal(1, engine.SignaturesVerified - before);
    }
}
