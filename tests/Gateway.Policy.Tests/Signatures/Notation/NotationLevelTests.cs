using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Signatures.Notation;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;
using static Gateway.Policy.Tests.Signatures.Notation.TestNotary;

namespace Gateway.Policy.Tests.Signatures.Notation;

/// <summary>The effects of levels, overrides, time stamps and signing authorities (trust-store-trust-policy.md).</summary>
public sealed class NotationLevelTests
{
    private static readonly TestNotary Notary = new();
    private static readonly TestNotary Ended = new(new() { NotAfter = Forge.Now.AddDays(-1), NamesCrl = true });
    private static readonly ImmutableDictionary<Digest, ImmutableArray<Evidence>> NoEvidence =
        ImmutableDictionary<Digest, ImmutableArray<Evidence>>.Empty;

    private static readonly NotationAuthority Anybody = new("acme") { AnyIdentity = true };

    private static EvidenceCheck Ask(
        TestNotary notary, NotationAuthority authority, JsonObject? envelope = null, NotationStoreOptions? store = null) =>
        Forge.Ask(notary.Trust(authority, store), Evidence(envelope ?? notary.Envelope()));

    private static JsonObject Expired() =>
        TestNotary.Headers().With(Expiry, Text(Forge.Now.AddMinutes(-1))).With("crit", new JsonArray(Scheme, Expiry));

    [Theory]
    [InlineData(NotationLevel.Strict, false)]
    [InlineData(NotationLevel.Permissive, true)]
    [InlineData(NotationLevel.Audit, true)]
    public void Times_and_revocation_are_enforced_at_level_strict_only(NotationLevel level, bool counts)
    {
        var check = Ask(Ended, Anybody with { Level = level }, Ended.Envelope(Expired()));

        Assert.Equal(counts, check.IsSatisfied);
        if (!counts) return;
        Assert.Contains("noted only: the signature expired", check.Findings[0].Result.Why, StringComparison.Ordinal);
        Assert.Contains("is valid from", check.Findings[0].Result.Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(NotationLevel.Strict, false)]
    [InlineData(NotationLevel.Permissive, false)]
    [InlineData(NotationLevel.Audit, true)]
    public void Untrusted_signers_count_at_level_audit_only(NotationLevel level, bool counts)
    {
        var store = Notary.Store;
        var stranger = new TestNotary();

        Assert.Equal(counts, Ask(stranger, Anybody with { Level = level }, store: store).IsSatisfied);
        Assert.True(Ask(Notary, Anybody with { Level = level }).IsSatisfied);
    }

    [Fact]
    public void Integrity_is_enforced_at_every_level()
    {
        var envelope = Notary.Envelope();
        envelope["payload"] = Encode(Payload().ToJsonString() + " ");

        Assert.False(Ask(Notary, Anybody with { Level = NotationLevel.Audit }, envelope).IsSatisfied);
    }

    [Fact]
    public void Override_replaces_the_level_for_its_own_check()
    {
        var plain = new TestNotary(new() { NamesCrl = true });
        var late = new TestNotary(new() { NotAfter = Forge.Now.AddDays(-1) });

        Assert.True(Ask(plain, Anybody with { Revocation = NotationAction.Log }).IsSatisfied);
        Assert.True(Ask(plain, Anybody with { Revocation = NotationAction.Skip }).IsSatisfied);
        Assert.False(Ask(plain, Anybody with { Expiry = NotationAction.Log, AuthenticTimestamp = NotationAction.Log }).IsSatisfied);
        Assert.True(Ask(late, Anybody with { AuthenticTimestamp = NotationAction.Log }).IsSatisfied);
        Assert.False(Ask(late, Anybody with { Expiry = NotationAction.Log }).IsSatisfied);
        Assert.True(Ask(Notary, Anybody with { Expiry = NotationAction.Log }, Notary.Envelope(Expired())).IsSatisfied);
        Assert.False(
            Ask(Notary, Anybody with { Level = NotationLevel.Permissive, Expiry = NotationAction.Enforce }, Notary.Envelope(Expired()))
                .IsSatisfied);
        Assert.True(Ask(new(), Anybody with { Authenticity = NotationAction.Log }, store: Notary.Store).IsSatisfied);
    }

    [Fact]
    public void Signature_by_a_signing_authority_counts_at_the_time_that_it_states()
    {
        var store = new NotationStoreOptions { SigningAuthority = [Ended.Root.RawData] };
        var authority = Anybody with { Revocation = NotationAction.Skip };

        var good = Ask(Ended, authority, Ended.Envelope(HeadersOfAuthority(Forge.Now.AddDays(-2))), store);
        var late = Ask(Ended, authority, Ended.Envelope(HeadersOfAuthority(Forge.Now.AddHours(-1))), store);

        Assert.True(good.IsSatisfied, good.Why);
        Assert.Equal(ReasonCodes.SigTimeInvalid, late.Code);
        Assert.Equal(ReasonCodes.SigNoTrusted, Ask(Ended, authority, Ended.Envelope(), store).Code);
    }

    [Fact]
    public void Any_certificate_of_the_chain_can_be_the_trusted_one()
    {
        foreach (var trusted in new[] { Notary.Leaf, Notary.Between, Notary.Root })
            Assert.True(Ask(Notary, Anybody, store: new() { Ca = [trusted.RawData] }).IsSatisfied);
    }

    [Fact]
    public void Identity_matches_every_subject_that_has_all_its_attributes()
    {
        Assert.True(
            Ask(Notary, new("acme") { Identities = [Name("C=DE, ST=BE, O=x"), Name("CN=builder, O=acme.example, S=WA, C=US")] })
                .IsSatisfied);
        Assert.Equal(ReasonCodes.SigNoTrusted, Ask(Notary, new("acme") { Identities = [Name("C=US, ST=WA, O=acme.example, OU=x")] }).Code);
        Assert.Equal(ReasonCodes.SigNoTrusted, Ask(Notary, new("acme")).Code);
    }

    [Fact]
    public void Signers_are_counted_by_their_subjects()
    {
        var again = Notary.IssueLeaf(Notary.Key, new());
        var other = Notary.IssueLeaf(Notary.Key, new() { Subject = "C=US, ST=WA, O=acme.example, CN=second" });
        var two = new SignatureRequirementOptions("release") { AtLeast = 2 };
        Evidence By(X509Certificate2 leaf) => Evidence(Notary.Envelope(null, null, leaf, Notary.Between, Notary.Root));

        Assert.False(Forge.Ask(Notary.Trust(), two, By(Notary.Leaf), By(again)).IsSatisfied);
        Assert.True(Forge.Ask(Notary.Trust(), two, By(Notary.Leaf), By(other)).IsSatisfied);
    }

    [Fact]
    public void Formats_of_a_rule_name_notation()
    {
        var envelope = Evidence(Notary.Envelope());

        Assert.True(
            Forge.Ask(Notary.Trust(), new SignatureRequirementOptions("release") { Formats = [SignatureFormat.Notation] }, envelope)
                .IsSatisfied);
        Assert.Equal(
            ReasonCodes.SigNoTrusted,
            Forge.Ask(Notary.Trust(), new SignatureRequirementOptions("release") { Formats = [SignatureFormat.Bundle] }, envelope).Code);
    }

    [Fact]
    public void Notation_and_cosign_do_not_count_for_each_other()
    {
        var key = TestKey.Ecdsa();
        var byKey = TrustIn.Keys(("release", new(VerificationKey.FromSpki(Notary.Leaf.PublicKey.ExportSubjectPublicKeyInfo()).Key!)));

        Assert.Equal(ReasonCodes.SigNoTrusted, Forge.Ask(byKey, Evidence(Notary.Envelope())).Code);
        Assert.Equal(ReasonCodes.SigNoTrusted, Forge.Ask(Notary.Trust(), Forge.Tagged(Forge.SimpleSigning(key))).Code);
        Assert.True(Forge.Ask(TrustIn.Keys(key), Forge.Tagged(Forge.SimpleSigning(key))).IsSatisfied);
    }

    [Fact]
    public void Same_envelope_in_a_false_manifest_does_not_hide_the_genuine_one()
    {
        var envelope = Notary.Envelope();
        var lying = Evidence(System.Text.Encoding.UTF8.GetBytes(envelope.ToJsonString()), "[]");

        Assert.True(Forge.Ask(Notary.Trust(), lying, Evidence(envelope)).IsSatisfied);
        Assert.True(Forge.Ask(Notary.Trust(), Evidence(envelope), lying).IsSatisfied);
    }

    [Fact]
    public void Verdict_is_valid_until_the_first_moment_that_could_change_it()
    {
        var expiring = Notary.Envelope(
            TestNotary.Headers().With(Expiry, Text(Forge.Now.AddHours(2))).With("crit", new JsonArray(Scheme, Expiry)));

        Assert.Equal(Forge.Now.AddDays(10), Ask(Notary, Anybody).Findings[0].Result.ChangesAt);
        Assert.Equal(Forge.Now.AddHours(2), Ask(Notary, Anybody, expiring).Findings[0].Result.ChangesAt);
        var early = new TestNotary(new() { NotBefore = Forge.Now.AddHours(1) });
        Assert.Equal(Forge.Now.AddHours(1), Ask(early, Anybody).Findings[0].Result.ChangesAt);
    }

    [Fact]
    public void Policy_admits_until_the_certificate_expires_and_its_revision_changes_with_the_certificate()
    {
        PolicyOptions Policy(NotationStoreOptions store) => new()
        {
            Default = Outcome.Allow, Trust = Notary.Trust(Anybody, store),
            Rules = [new() { Id = "signed", Require = new() { Signatures = [new("release")] }, OnMissing = OnMissing.Quarantine }],
        };
        var engine = new PolicyEngine(Policy(Notary.Store));
        PolicyInput Asked(DateTimeOffset now) => new(Forge.Repository, null, Stage.Pull, Forge.Subject, Sample.Image, [])
        {
            Now = now, Facts = new() { Evidence = NoEvidence.Add(Forge.Subject, [Evidence(Notary.Envelope())]) },
        };

        Assert.Equal(
            (Outcome.Allow, Forge.Now.AddDays(10)), (engine.Evaluate(Asked(Forge.Now)).Outcome, engine.Evaluate(Asked(Forge.Now)).Until));
        Assert.Equal(Outcome.Quarantine, engine.Evaluate(Asked(Forge.Now.AddDays(10))).Outcome);
        Assert.Equal("notation", Assert.Single(engine.Evaluate(Asked(Forge.Now)).Evidence).Format);
        Assert.NotEqual(engine.Revision, new PolicyEngine(Policy(new TestNotary().Store)).Revision);
        Assert.NotEqual(engine.Revision, new PolicyEngine(Policy(Notary.Store with { Revoked = [new string('0', 64)] })).Revision);
    }

    [Fact]
    public void Time_stamp_proves_that_the_chain_was_valid_when_it_signed()
    {
        var ended = new TestNotary(new() { NotAfter = Forge.Now.AddDays(-1) });
        var stamper = new TestStamper(Issued, TimeSpan.FromDays(3650));
        var store = ended.Store with { Tsa = [TrustedCertificates.ToRoot(stamper.Root.RawData).Root!] };
        EvidenceCheck With(JsonObject envelope) => Ask(ended, Anybody, envelope, store);

        var good = With(Stamped(ended, stamper, Forge.Now.AddDays(-2)));
        Assert.True(good.IsSatisfied, good.Why);
        AssertTime("expected one time stamp", With(ended.Envelope()));
        AssertTime("stamped at", With(Stamped(ended, stamper, Forge.Now.AddHours(-1))));
        AssertTime("not over this signature", With(Stamped(ended, stamper, Forge.Now.AddDays(-2), [1])));
        AssertTime("no path to", With(Stamped(ended, new TestStamper(Issued, TimeSpan.FromDays(3650)), Forge.Now.AddDays(-2))));
        var broken = ended.Envelope();
        broken["header"]!["io.cncf.notary.timestampSignature"] = "AAAA";
        AssertTime("not granted", With(broken));
    }

    [Fact]
    public void Time_stamp_is_required_always_or_after_a_certificate_expired()
    {
        var stamper = new TestStamper(Issued, TimeSpan.FromDays(3650));
        var roots = ImmutableArray.Create(TrustedCertificates.ToRoot(stamper.Root.RawData).Root!);
        var later = Anybody with { StampAfterExpiry = true };
        var ended = new TestNotary(new() { NotAfter = Forge.Now.AddDays(-1) });

        Assert.Equal(ReasonCodes.SigTimeInvalid, Ask(Notary, Anybody, store: Notary.Store with { Tsa = roots }).Code);
        Assert.True(Ask(Notary, later, store: Notary.Store with { Tsa = roots }).IsSatisfied);
        Assert.Equal(ReasonCodes.SigTimeInvalid, Ask(ended, later, store: ended.Store with { Tsa = roots }).Code);
        Assert.True(Ask(ended, later, Stamped(ended, stamper, Forge.Now.AddDays(-2)), ended.Store with { Tsa = roots }).IsSatisfied);
        // Without time stampers a time stamp proves nothing.
        Assert.Equal(ReasonCodes.SigTimeInvalid, Ask(ended, Anybody, Stamped(ended, stamper, Forge.Now.AddDays(-2))).Code);
    }

    private static void AssertTime(string why, EvidenceCheck check)
    {
        Assert.Equal(ReasonCodes.SigTimeInvalid, check.Code);
        Assert.Contains(why, check.Findings[0].Result.Why, StringComparison.Ordinal);
    }
}

/// <summary>Changes JSON in a chain of calls.</summary>
internal static class JsonChange
{
    public static JsonObject With(this JsonObject json, string key, JsonNode value)
    {
        json[key] = value;
        return json;
    }
}
