using System.Collections.Immutable;
using System.Security.Cryptography;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Repositories;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>The last good image is served while the upstream's tag is bound to one that the policy does not admit.</summary>
public sealed class LastGoodTests
{
    private static readonly Caller Puller = new("node", AccessActions.Pull);
    private static readonly Reference Latest = new(TagName.Parse("latest"));

    private static PolicyOptions Aged(TimeSpan age, OnMissing onMissing) => new()
    {
        Default = Outcome.Allow,
        Rules = [new() { Id = "cool-down", Require = new() { Limits = new() { MinAge = age } }, OnMissing = onMissing }],
    };

    private static Repository Gate(Rig rig, PolicyOptions? policy) => new(
        rig.Backing,
        new Evaluations(new(policy), new(rig.Volume.DecisionRing), rig.Clock).Of(RepositoryName.Parse("hub/" + Rig.Name), rig.Backing),
        rig.Volume.Content, new(), takesPushes: false);

    private static async Task<Answer<StoredManifest>> GetAsync(Repository gate) => await gate.GetManifestAsync(Puller, Latest, default);

    private static Answer<StoredManifest>.Found Found(Answer<StoredManifest> answer) => Assert.IsType<Answer<StoredManifest>.Found>(answer);

    [Theory]
    [InlineData(OnMissing.Deny)]
    [InlineData(OnMissing.Quarantine)]
    public async Task Tag_that_moved_to_a_too_young_image_serves_the_older_one_and_says_so_until_the_age_is_reached(
        OnMissing onMissing)
    {
        await using var rig = await Rig.StartAsync();
        var one = Rig.D(rig.Hub.AddImage(Rig.Name, "latest", ScriptedUpstream.Bytes(1000, seed: 1)).Digest);
        Assert.Equal(one, Found(await GetAsync(Gate(rig, null))).Value.Digest);
        rig.Clock.Advance(TimeSpan.FromDays(4));
        var two = Rig.D(rig.Hub.AddImage(Rig.Name, "latest", ScriptedUpstream.Bytes(1000, seed: 2)).Digest);
        var gate = Gate(rig, Aged(TimeSpan.FromDays(3), onMissing));
        for (var again = 0; again < 2; again++)
        {
            var older = Found(await GetAsync(gate));
            Assert.Equal((one, two, TagStanding.Live), (older.Value.Digest, older.Substituted, older.Standing));
            Assert.Contains($"newer {two} refused by policy", older.Handling.Notice, StringComparison.Ordinal);
        }
        Assert.IsNotType<Answer<StoredManifest>.Found>(await gate.GetManifestAsync(Puller, new(two), default));
        rig.Clock.Advance(TimeSpan.FromDays(3.1));
        var newer = Found(await GetAsync(gate));
        Assert.Equal((two, default), (newer.Value.Digest, newer.Substituted));
    }

    [Theory]
    [InlineData(1, "LIMIT_MIN_AGE")]
    [InlineData(null, "LIMIT_AGE_UNKNOWN")]
    public async Task Tag_that_moved_to_an_image_signed_too_recently_serves_the_older_one_until_the_age_is_reached(
        int? daysAgo, string code)
    {
        using var log = new TestLog();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await using var rig = await Rig.StartAsync();
        Digest AddSigned(int seed, double? days)
        {
            var image = Rig.D(rig.Hub.AddImage(Rig.Name, "latest", ScriptedUpstream.Bytes(1000, seed)).Digest);
            var at = days is { } ago ? (log, rig.Clock.GetUtcNow() - TimeSpan.FromDays(ago)) : default((TestLog, DateTimeOffset)?);
            var signature = LegacySignature.Of(image, key, at, asReferrer: true);
            rig.Hub.AddBlob(Rig.Name, signature.Payload);
            rig.Hub.AddBlob(Rig.Name, signature.Config);
            rig.Hub.AddReferrer(Rig.Name, image.ToString(), signature.Manifest);
            return image;
        }

        var policy = Aged(TimeSpan.FromDays(3), OnMissing.Deny);
        var gate = Gate(rig, policy with
        {
            Trust = new()
            {
                Keys = ImmutableSortedDictionary<string, KeyOptions>.Empty.Add(
                    "k", new(VerificationKey.Parse(key.ExportSubjectPublicKeyInfoPem()).Key!)),
                Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add("release", new("release") { AnyOf = ["k"] }),
                Keyless = ImmutableSortedDictionary<string, KeylessRootOptions>.Empty.Add("l", new(log.Root)),
            },
            Rules =
            [
                policy.Rules[0] with
                {
                    Require = new()
                    {
                        Signatures = [new("release")], Limits = policy.Rules[0].Require.Limits! with { AgeFrom = AgeStart.Attested },
                    },
                },
            ],
        });
        var one = AddSigned(1, 4);
        Assert.Equal((one, default), (Found(await GetAsync(gate)).Value.Digest, Found(await GetAsync(gate)).Substituted));
        var two = AddSigned(2, daysAgo);
        rig.Clock.Advance(TimeSpan.FromDays(1));
        var older = Found(await GetAsync(gate));
        Assert.Equal((one, two), (older.Value.Digest, older.Substituted));
        var refused = Assert.IsType<Answer<StoredManifest>.Refused>(await gate.GetManifestAsync(Puller, new(two), default));
        Assert.Equal([code], refused.Decision.Verdict.Reasons.Select(static reason => reason.Code));
        rig.Clock.Advance(TimeSpan.FromDays(1.1));
        Assert.Equal(daysAgo is null ? one : two, Found(await GetAsync(gate)).Value.Digest);
    }

    [Fact]
    public async Task Live_image_that_a_new_policy_refuses_is_replaced_by_the_newest_admitted_one()
    {
        await using var rig = await Rig.StartAsync();
        var images = new List<Digest>();
        foreach (var seed in new[] { 1, 2, 3 })
        {
            images.Add(Rig.D(rig.Hub.AddImage(Rig.Name, "latest", ScriptedUpstream.Bytes(1000, seed)).Digest));
            rig.Clock.Advance(TimeSpan.FromDays(1));
            Assert.Equal(images[^1], Found(await GetAsync(Gate(rig, null))).Value.Digest);
        }
        var found = Found(await GetAsync(Gate(rig, Aged(TimeSpan.FromHours(12), OnMissing.Deny))));
        Assert.Equal((images[1], images[2]), (found.Value.Digest, found.Substituted));
        var none = await GetAsync(Gate(rig, Aged(TimeSpan.FromDays(30), OnMissing.Deny)));
        Assert.IsType<Answer<StoredManifest>.Hidden>(none);
    }
}
