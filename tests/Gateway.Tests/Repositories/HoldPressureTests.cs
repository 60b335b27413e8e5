using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Repositories;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Pushers that are malicious, or that push concurrently.</summary>
public sealed class HoldPressureTests : IAsyncLifetime
{
    private HoldRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await HoldRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Flood_of_signatures_in_few_manifests_does_not_hide_the_one_that_counted()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await _rig.SignAsync(digest);
        var config = await GateRig.PushBlobAsync(_rig.Repository, "{}", caller: HoldRig.Pusher);
        for (var junk = 0; junk < 3; junk++)
        {
            _rig.Clock.Advance(TimeSpan.FromMinutes(1));
            var layer = await GateRig.PushBlobAsync(_rig.Repository, $"junk {junk}", EvidenceTypes.SimpleSigning, HoldRig.Pusher);
            var layers = Enumerable.Range(0, 200).Select(i => layer with
            {
                Annotations = ImmutableSortedDictionary<string, string>.Empty.Add("n", $"{i}"),
            });
            var bytes = Signatures(config, layers, digest);
            Assert.IsType<Answer<PushedManifest>.Found>(await HoldRig.PutAsync(_rig.Repository, Digest.Of(bytes).ToString(), bytes));
        }
        _rig.Reload(_rig.Policy! with { Rules = [.. _rig.Policy.Rules, Other] });
        Assert.Equal(digest.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));
    }

    [Fact]
    public async Task Junk_about_one_image_of_an_index_does_not_displace_signatures_of_the_others()
    {
        var childrenSigned = HoldRig.Rule(OnMissing.Quarantine) with
        {
            Require = new() { Signatures = [new("release") { Coverage = IndexCoverage.Children }] },
        };
        _rig.Reload(_rig.Policy! with { Rules = [childrenSigned] });
        var images = new List<Descriptor>();
        foreach (var name in new[] { "one", "two", "three" })
        {
            var (image, _) = await _rig.PushAsync(null, name);
            await _rig.SignAsync(image);
            var stored = (Answer<Gateway.Storage.StoredManifest>.Found)await _rig.GetAsync(HoldRig.Pusher, image.ToString());
            images.Add(new(MediaTypes.OciManifest, image, stored.Value.Bytes.Length));
        }
        // Together with the image's own signature, this is exactly the budget.
        var kept = _rig.Volume.Pushed(_rig.Repository.Name);
        var signature = kept.ReadManifest(Gateway.Storage.EvidenceNotes.List(kept, images[0].Digest)[0])!.Manifest.Layers[0].Size;
        for (var (junk, left) = (0, EvidenceBudget.MaxBytes - (int)signature); left > 0; junk++)
        {
            var text = new string(' ', Math.Min(EvidenceBudget.MaxAttestation, left));
            left -= text.Length;
            var layer = await GateRig.PushBlobAsync(_rig.Repository, text, EvidenceTypes.Dsse, HoldRig.Pusher);
            var config = await GateRig.PushBlobAsync(_rig.Repository, $"config {junk}", caller: HoldRig.Pusher);
            var bytes = Signatures(config, [layer], images[0].Digest);
            Assert.IsType<Answer<PushedManifest>.Found>(await HoldRig.PutAsync(_rig.Repository, Digest.Of(bytes).ToString(), bytes));
        }
        var index = GateRig.Index([.. images]);
        await HoldRig.PutAsync(_rig.Repository, "v1", index, MediaTypes.OciIndex);
        Assert.Equal(Digest.Of(index).ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));
    }

    /// <summary>A rule about other repositories, which makes another revision.</summary>
    private static RuleOptions Other { get; } = HoldRig.Rule(OnMissing.Deny) with { Id = "other", Repositories = ["other/**"] };

    [Fact]
    public async Task Exactly_one_of_many_concurrent_pushes_to_an_unbound_immutable_tag_succeeds()
    {
        _rig.Reload(new()
        {
            Default = Outcome.Allow,
            Rules =
            [
                new()
                {
                    Id = "once", Repositories = ["prod/**"], Stages = [Stage.Push, Stage.Tag],
                    Require = new() { TagMutability = TagMutability.Immutable },
                },
            ],
        });
        for (var round = 0; round < 10; round++)
        {
            var tag = $"v{round}";
            var pushes = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => _rig.PushAsync(tag, $"{round} {i}"))));
            var taken = Assert.Single(pushes, p => p.Answer is Answer<PushedManifest>.Found);
            Assert.All(pushes, p => Assert.True(p == taken || p.Answer is Answer<PushedManifest>.Refused, p.Answer.ToString()));
            Assert.Equal(taken.Digest.ToString(), await _rig.SeenAsync(HoldRig.Puller, tag));
        }
    }

    private static byte[] Signatures(Descriptor config, IEnumerable<Descriptor> layers, Digest subject) =>
        JsonSerializer.SerializeToUtf8Bytes(
        new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = MediaTypes.OciManifest,
            ["config"] = Json(config),
            ["layers"] = new JsonArray([.. layers.Select(Json)]),
            ["subject"] = Json(new(MediaTypes.OciManifest, subject, 1)),
        });

    private static JsonNode Json(Descriptor d)
    {
        var json = new JsonObject { ["mediaType"] = d.MediaType, ["digest"] = d.Digest.ToString(), ["size"] = d.Size };
        if (!d.Annotations.IsEmpty) json["annotations"] = JsonSerializer.SerializeToNode(d.Annotations);
        return json;
    }
}
