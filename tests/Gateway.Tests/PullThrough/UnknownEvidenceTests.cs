using System.Collections.Immutable;
using System.Security.Cryptography;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>
/// Evidence that an upstream cannot send now does not count as missing: no client is told so, nothing is cached, and it is requested again.
/// </summary>
public sealed class UnknownEvidenceTests : IAsyncLifetime
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1000, seed: 82);

    /// <summary>Longest pause after a failure: a breaker's ten seconds.</summary>
    private static readonly TimeSpan AskedAgain = TimeSpan.FromSeconds(11);

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly TaskCompletionSource _answers = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Rig _rig = null!;

    // Fast, because the gateway waits seconds of its clock for a silent upstream.
    public async ValueTask InitializeAsync() => _rig = await Rig.StartAsync(speed: 20);

    public async ValueTask DisposeAsync()
    {
        _answers.TrySetResult();
        await _rig.DisposeAsync();
        _key.Dispose();
    }

    private (ScriptedImage Image, LegacySignature Signature) AddSigned(string tag)
    {
        var image = _rig.Hub.AddImage(Rig.Name, tag, Layer);
        var signature = LegacySignature.Of(Rig.D(image.Digest), _key, log: null);
        _rig.Hub.AddBlob(Rig.Name, signature.Payload);
        _rig.Hub.AddBlob(Rig.Name, signature.Config);
        _rig.Hub.AddManifest(Rig.Name, signature.Manifest, MediaTypes.OciManifest, signature.Tag);
        return (image, signature);
    }

    private void Fail(string how, LegacySignature signature)
    {
        bool OfTag(ReceivedRequest r) => r.Path.Contains("sha256-", StringComparison.Ordinal);
        bool OfPayload(ReceivedRequest r) => r.IsBlob(Digest.Of(signature.Payload).ToString());
        _ = how switch
        {
            "slow" => _rig.Hub.When(OfTag).WaitFor(_answers.Task),
            "failing" => _rig.Hub.When(OfTag).Respond(500),
            "gone" => _rig.Hub.When(OfTag).Drop(),
            "list" => _rig.Hub.When(r => r.Path.Contains("/referrers/", StringComparison.Ordinal)).Respond(503),
            "manifest" => _rig.Hub.When(r => r.IsGet && r.Path.EndsWith(Digest.Of(signature.Manifest).ToString(), StringComparison.Ordinal))
                .Respond(500),
            "payload" => _rig.Hub.When(OfPayload).Respond(502),
            _ => _rig.Hub.When(OfPayload).Cut(10),
        };
    }

    [Theory]
    [InlineData("slow", OnMissing.Deny)]
    [InlineData("slow", OnMissing.Quarantine)]
    [InlineData("failing", OnMissing.Deny)]
    [InlineData("gone", OnMissing.Deny)]
    [InlineData("manifest", OnMissing.Deny)]
    [InlineData("payload", OnMissing.Deny)]
    [InlineData("broken", OnMissing.Quarantine)]
    public async Task Signed_image_is_503_while_its_evidence_is_unavailable_and_served_afterwards(string how, OnMissing onMissing)
    {
        var (image, signature) = AddSigned("v1");
        Fail(how, signature);
        var gate = _rig.Under(TaggedSignatureTests.SignedBy(_key, onMissing));

        foreach (var reference in new[] { "v1", image.Digest })
        {
            var later = Assert.IsType<Answer<StoredManifest>.Unavailable>(await TaggedSignatureTests.GetAsync(gate, reference));
            Assert.Contains("hub", later.Why, StringComparison.Ordinal);
            Assert.Contains($"could not be evaluated at {DateTimeOffset.UtcNow.Year}", later.Why, StringComparison.Ordinal);
            Assert.NotNull(later.RetryAfter);
        }

        _answers.TrySetResult();
        _rig.Hub.Behave();
        _rig.Clock.Advance(AskedAgain);
        await TaggedSignatureTests.ServedWholeAsync(gate, image, "v1");
        await TaggedSignatureTests.ServedWholeAsync(gate, image, image.Digest);
    }

    [Fact]
    public async Task Unsigned_image_is_503_while_the_referrers_are_unavailable_and_refused_when_the_list_is_empty()
    {
        _rig.Hub.HasReferrersApi = true;
        _rig.Hub.AddImage(Rig.Name, "v1", Layer);
        _rig.Hub.When(r => r.Path.Contains("/referrers/", StringComparison.Ordinal)).Respond(503);
        var gate = _rig.Under(TaggedSignatureTests.SignedBy(_key));
        Assert.IsType<Answer<StoredManifest>.Unavailable>(await TaggedSignatureTests.GetAsync(gate, "v1"));

        _rig.Hub.Behave();
        _rig.Clock.Advance(AskedAgain);
        Assert.IsType<Answer<StoredManifest>.Refused>(await TaggedSignatureTests.GetAsync(gate, "v1"));
    }

    [Fact]
    public async Task Image_that_no_evidence_can_admit_is_refused_at_once()
    {
        var (_, signature) = AddSigned("v1");
        Fail("failing", signature);
        var signed = TaggedSignatureTests.SignedBy(_key);
        var small = new RuleOptions { Id = "small", Require = new() { Limits = new() { MaxTotalBytes = 10 } } };
        var answer = await TaggedSignatureTests.GetAsync(_rig.Under(signed with { Rules = [.. signed.Rules, small] }), "v1");
        Assert.IsType<Answer<StoredManifest>.Refused>(answer);
    }

    [Fact]
    public async Task Tag_stays_at_the_admitted_image_while_the_evidence_of_the_newer_one_is_unavailable()
    {
        var (first, _) = AddSigned("v1");
        var gate = _rig.Under(TaggedSignatureTests.SignedBy(_key));
        await TaggedSignatureTests.ServedWholeAsync(gate, first, "v1");
        var newer = _rig.Hub.AddImage(Rig.Name, "v1", ScriptedUpstream.Bytes(1000, seed: 83));
        var signature = LegacySignature.Of(Rig.D(newer.Digest), _key, log: null);
        _rig.Hub.AddBlob(Rig.Name, signature.Payload);
        _rig.Hub.AddBlob(Rig.Name, signature.Config);
        _rig.Hub.AddManifest(Rig.Name, signature.Manifest, MediaTypes.OciManifest, signature.Tag);
        _rig.Hub.When(r => r.Path.Contains(signature.Tag, StringComparison.Ordinal)).Respond(500);
        _rig.Clock.Advance(TimeSpan.FromMinutes(6));

        var found = Assert.IsType<Answer<StoredManifest>.Found>(await TaggedSignatureTests.GetAsync(gate, "v1"));
        Assert.Equal(first.Digest, found.Value.Digest.ToString());
        Assert.Contains("could not be evaluated", found.Handling.Notice, StringComparison.Ordinal);

        _rig.Hub.Behave();
        _rig.Clock.Advance(AskedAgain);
        await TaggedSignatureTests.ServedWholeAsync(gate, newer, "v1");
    }

    [Theory]
    [InlineData("payload")]
    [InlineData("broken")]
    public async Task Evidence_whose_layer_is_unavailable_is_503(string how)
    {
        var (_, signature) = AddSigned("v1");
        Fail(how, signature);
        var gate = _rig.Under(TaggedSignatureTests.SignedBy(_key));
        Assert.IsType<Answer<StoredManifest>.Unavailable>(await TaggedSignatureTests.GetAsync(gate, signature.Tag));

        _rig.Hub.Behave();
        _rig.Clock.Advance(AskedAgain);
        Assert.IsType<Answer<StoredManifest>.Found>(await TaggedSignatureTests.GetAsync(gate, signature.Tag));
    }

    [Fact]
    public async Task Unavailable_layer_is_503_and_its_media_type_is_checked_later()
    {
        var image = _rig.Hub.AddImage(Rig.Name, "v1", Layer);
        _rig.Hub.When(r => r.IsBlob(image.Layers[0])).Respond(500);
        var rule = new RuleOptions { Id = "true", Require = new() { TruthfulMedia = [.. Enum.GetValues<MediaClaim>()] } };
        var gate = _rig.Under(new() { Default = Outcome.Allow, Rules = [rule] });
        var later = Assert.IsType<Answer<StoredManifest>.Unavailable>(await TaggedSignatureTests.GetAsync(gate, "v1"));
        Assert.Contains("hub", later.Why, StringComparison.Ordinal);

        _rig.Hub.Behave();
        _rig.Clock.Advance(AskedAgain);
        // The bytes are not an archive.
        Assert.IsType<Answer<StoredManifest>.Refused>(await TaggedSignatureTests.GetAsync(gate, "v1"));
    }

    [Fact]
    public async Task Label_in_an_unavailable_config_does_not_count_as_missing()
    {
        var image = _rig.Hub.AddImage(Rig.Name, "v1", Layer);
        _rig.Hub.When(r => r.IsBlob(image.Config)).Respond(500);
        var rule = new RuleOptions
        {
            Id = "label",
            Require = new()
            {
                Annotations = ImmutableSortedDictionary<string, TextCondition>.Empty.Add("who", new(TextComparison.Glob, "*")),
                AnnotationsFromManifest = false, AnnotationsFromLabels = true,
            },
        };
        var gate = _rig.Under(new() { Default = Outcome.Allow, Rules = [rule] });
        Assert.IsType<Answer<StoredManifest>.Unavailable>(await TaggedSignatureTests.GetAsync(gate, "v1"));

        _rig.Hub.Behave();
        _rig.Clock.Advance(AskedAgain);
        Assert.IsType<Answer<StoredManifest>.Refused>(await TaggedSignatureTests.GetAsync(gate, "v1"));
    }
}
