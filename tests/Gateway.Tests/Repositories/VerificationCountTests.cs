using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>
/// How many verdicts one push needs, and how many signatures it verifies. A push by tag needs a verdict for pulls by digest and one for the
/// push. It needs others for the binding of the tag and for pulls by tag only if a rule tells these apart.
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
        var backing = _rig.Volume.Pushed(Name);
        var evaluator = new Evaluations(engine, new(_rig.Volume.DecisionRing), _rig.Clock).Of(Name, backing);
        var repository = new Repository(backing, evaluator, _rig.Volume.Content, new(), takesPushes: true);
        var stored = Assert.IsType<Answer<StoredManifest>.Found>(
            await repository.GetManifestAsync(HoldRig.Pusher, new(digest), default)).Value;
        var before = engine.SignaturesVerified;
        var names = Enumerable.Range(0, tags).Select(i => TagName.Parse($"v{i}")).ToImmutableArray();
        var pushed = await repository.PutManifestAsync(
            HoldRig.Pusher, new(new(digest), names, MediaTypes.OciManifest, stored.Bytes), default);
        Assert.Null(Assert.IsType<Answer<PushedManifest>.Found>(pushed).Warning);
        Assert.Equal(1, engine.SignaturesVerified - before);
    }

    [Theory]
    [InlineData("", "", 2)]
    [InlineData("push,tag,pull", "", 2)]
    [InlineData("", "v*", 2)]
    [InlineData("push", "", 1)]
    [InlineData("tag", "", 1)]
    public async Task Push_by_tag_counts_one_verdict_for_each_question_that_the_rules_tell_apart(string stages, string tags, int expected)
    {
        // The rule warns of every image, so that the counter names it; no other test has a rule of this name.
        var id = $"counted-{Guid.NewGuid():n}";
        await using var rig = await GateRig.OpenAsync();
        var repository = rig.Repository("prod/app", new()
        {
            Default = Outcome.Allow,
            Rules =
            [
                new()
                {
                    Id = id,
                    Mode = RuleMode.Warn,
                    Stages = [.. stages.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(s => Enum.Parse<Stage>(s, true))],
                    IncludeTags = [.. tags.Split(',', StringSplitOptions.RemoveEmptyEntries)],
                    Require = new() { Limits = new() { MaxLayers = 0 } },
                },
            ],
        });
        var layer = await GateRig.PushBlobAsync(repository, "layer", "application/vnd.oci.image.layer.v1.tar+gzip");
        var config = await GateRig.PushBlobAsync(repository, "{}");
        var counted = 0;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Name == "gateway.policy.verdicts") l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, value, said, _) =>
        {
            foreach (var tag in said)
            {
                if (tag is { Key: "rule", Value: string rule } && rule == id) Interlocked.Add(ref counted, (int)value);
            }
        });
        listener.Start();

        var pushed = await GateRig.PutAsync(repository, "v1", GateRig.Manifest(config, layer));

        Assert.IsType<Answer<PushedManifest>.Found>(pushed);
        Assert.Equal(expected, counted);
    }
}
