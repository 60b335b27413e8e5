using Gateway.Access;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>
/// Random pushes, signatures, deletions, expiries, reloads, stops and kills, compared with a small model. After each step, every caller's
/// view of every tag, digest and blob must equal the model.
/// </summary>
public sealed class HoldModelTests
{
    private const int Steps = 60;

    private static readonly string[] Tags = ["v1", "v2", "latest"];
    private static readonly string[] Images = ["one", "two", "three", "four"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Random_operations_never_show_pullers_refused_content_or_miss_a_signature(int seed)
    {
        await using var rig = await HoldRig.OpenAsync();
        var model = new Model(rig, new Random(seed));
        await model.PrepareAsync();
        for (var step = 0; step < Steps; step++)
        {
            var did = await model.StepAsync();
            await model.CheckAsync($"seed {seed}, step {step}: {did}");
        }
    }

    /// <summary>The model: the expected state, as short as it can be written.</summary>
    private sealed class Model(HoldRig rig, Random random)
    {
        private readonly Dictionary<string, Digest> _digests = [];
        private readonly HashSet<string> _stored = [];
        private readonly HashSet<string> _signed = [];
        private readonly Dictionary<string, string> _live = [];
        private readonly Dictionary<string, (string Image, DateTimeOffset Expires)> _offers = [];
        private bool _isOn = true;
        private bool _isRevoked;

        private bool IsAdmitted(string image) => _stored.Contains(image) && (!_isOn || (_signed.Contains(image) && !_isRevoked));

        public async Task PrepareAsync()
        {
            // The digests come from a repository without a matching rule.
            foreach (var image in Images) _digests[image] = (await rig.PushAsync(null, image, rig.At("dev/app"))).Digest;
        }

        public async Task<string> StepAsync()
        {
            var (tag, image) = (Tags[random.Next(Tags.Length)], Images[random.Next(Images.Length)]);
            var did = random.Next(14);
            switch (did)
            {
                case 0 or 1 or 2 or 3:
                    await rig.PushAsync(tag, image);
                    Pushed(tag, image);
                    return $"push {tag} {image}";
                case 4:
                    await rig.PushAsync(null, image);
                    _stored.Add(image);
                    return $"push {image} by digest";
                case 5 or 6 or 7:
                    var promoted = await (did == 7 ? rig.ReferAsync(_digests[image]) : rig.SignAsync(_digests[image]));
                    _signed.Add(image);
                    if (_isOn && !_isRevoked) AssertPromoted(image, promoted);
                    return $"sign {image}";
                case 8:
                    await rig.SignAsync(_digests[image], rig.WrongKey);
                    return $"sign {image} wrongly";
                case 9:
                    await rig.Repository.DeleteManifestAsync(HoldRig.Pusher, new(TagName.Parse(tag)), default);
                    _live.Remove(tag);
                    _offers.Remove(tag);
                    return $"delete {tag}";
                case 10:
                    await rig.Repository.DeleteManifestAsync(HoldRig.Pusher, new(_digests[image]), default);
                    _stored.Remove(image);
                    foreach (var t in Tags.Where(t => _live.GetValueOrDefault(t) == image)) _live.Remove(t);
                    foreach (var t in Tags.Where(t => _offers.GetValueOrDefault(t).Image == image)) _offers.Remove(t);
                    return $"delete {image}";
                case 11:
                    rig.Clock.Advance(TimeSpan.FromHours(random.Next(1, 20)));
                    return "time passes";
                case 12:
                    (_isOn, _isRevoked) = (random.Next(3) > 0, random.Next(3) == 0);
                    var revoked = _isRevoked ? rig.Clock.GetUtcNow().AddDays(-1) : (DateTimeOffset?)null;
                    rig.Reload(_isOn ? rig.Signed(OnMissing.Quarantine) with { Trust = rig.Trust(revoked) } : null);
                    return $"reload: on {_isOn}, revoked {_isRevoked}";
                default:
                    var kill = random.Next(2) == 0;
                    await rig.RestartAsync(kill);
                    return kill ? "kill" : "restart";
            }
        }

        private void Pushed(string tag, string image)
        {
            _stored.Add(image);
            if (IsAdmitted(image))
            {
                _live[tag] = image;
                _offers.Remove(tag);
            }
            else
            {
                _offers[tag] = (image, rig.Clock.GetUtcNow() + TimeSpan.FromHours(24));
            }
        }

        private void AssertPromoted(string image, Answer<PushedManifest> answer)
        {
            var waiting = _offers.Where(o => o.Value.Image == image && o.Value.Expires > rig.Clock.GetUtcNow()).Select(o => o.Key).Order();
            var found = Assert.IsType<Answer<PushedManifest>.Found>(answer);
            Assert.Equal(waiting, found.Value.Promoted.Select(t => t.Value).Order());
        }

        /// <summary>Held pushes expire, and become live as soon as they are admitted.</summary>
        private void Settle()
        {
            foreach (var (tag, (image, expires)) in _offers.ToArray())
            {
                if (expires > rig.Clock.GetUtcNow() && !IsAdmitted(image)) continue;
                if (expires > rig.Clock.GetUtcNow()) _live[tag] = image;
                _offers.Remove(tag);
            }
        }

        public async Task CheckAsync(string after)
        {
            Settle();
            foreach (var tag in Tags)
            {
                var live = _live.GetValueOrDefault(tag);
                var offer = _offers.GetValueOrDefault(tag).Image;
                var puller = live is null ? offer is null ? "Absent" : "Hidden" : IsAdmitted(live) ? _digests[live].ToString() : "Hidden";
                var pusher = offer ?? live;
                await EqualAsync(after, tag, HoldRig.Puller, puller);
                await EqualAsync(after, tag, HoldRig.Pusher, pusher is null ? "Absent" : _digests[pusher].ToString());
            }
            foreach (var image in Images)
            {
                var stored = _stored.Contains(image) ? _digests[image].ToString() : "Absent";
                await EqualAsync(
                    after, _digests[image].ToString(), HoldRig.Puller, _stored.Contains(image) && !IsAdmitted(image) ? "Hidden" : stored);
                await EqualAsync(after, _digests[image].ToString(), HoldRig.Pusher, stored);
                // Without a policy, blobs are visible to all pullers. With a policy, an admitted manifest must name them.
                if (_isOn && await rig.SeesBlobAsync(HoldRig.Puller, HoldRig.LayerOf(image)) != IsAdmitted(image))
                    Assert.Fail($"{after}: the layer of {image}, which is {(IsAdmitted(image) ? "" : "not ")}admitted");
            }
            Assert.Equal(_live.Keys.Order(), (await rig.TagsAsync(HoldRig.Puller)).Order());
            Assert.Equal(_live.Keys.Union(_offers.Keys).Order(), (await rig.TagsAsync(HoldRig.Pusher)).Order());
            var stored2 = rig.Volume.Pushed(rig.Repository.Name);
            foreach (var offer in stored2.HeldPushes())
                Assert.True(
                    _offers.TryGetValue(offer.Tag.Value, out var known) && _digests[known.Image] == offer.Digest, $"{after}: {offer}");
        }

        private async Task EqualAsync(string after, string reference, Caller caller, string expected)
        {
            var seen = await rig.SeenAsync(caller, reference);
            if (seen != expected) Assert.Fail($"{after}: {caller.Actor} expected {expected} for {reference}, got {seen}");
        }
    }
}
