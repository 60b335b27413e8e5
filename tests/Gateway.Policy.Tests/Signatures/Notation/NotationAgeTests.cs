using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Notation;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;
using static Gateway.Policy.Tests.Signatures.Notation.TestNotary;

namespace Gateway.Policy.Tests.Signatures.Notation;

/// <summary>The proven times of Notation signatures, and the ages that follow.</summary>
public sealed class NotationAgeTests
{
    private static readonly TestNotary Notary = new();
    private static readonly NotationAuthority Anybody = new("acme") { AnyIdentity = true };

    private static EvidenceCheck Ask(TestNotary notary, NotationAuthority authority, JsonObject envelope, NotationStoreOptions store) =>
        Forge.Ask(notary.Trust(authority, store), Evidence(envelope));

    [Fact]
    public void Time_stamp_proves_the_signing_time_even_if_the_trust_policy_does_not_require_one()
    {
        var stamper = new TestStamper(Issued, TimeSpan.FromDays(3650));
        var store = Notary.Store with { Tsa = [TrustedCertificates.ToRoot(stamper.Root.RawData).Root!] };
        var (at, later) = (Forge.Now.AddDays(-2), Anybody with { StampAfterExpiry = true });

        Assert.Equal(new SignedTime(at, SignedTime.Stamp), TimeOf(Anybody, Stamped(Notary, stamper, at), store));
        Assert.Equal(at, TimeOf(later, Stamped(Notary, stamper, at), store)?.At);
        Assert.Null(TimeOf(later, Notary.Envelope(), store));
        Assert.Null(TimeOf(later, Stamped(Notary, stamper, at, [1]), store));
        Assert.Null(TimeOf(Anybody, Stamped(Notary, stamper, at), Notary.Store));
        Assert.Equal((true, false), (Proves(store), Proves(Notary.Store)));

        static SignedTime? TimeOf(NotationAuthority authority, JsonObject envelope, NotationStoreOptions store)
        {
            var check = Ask(Notary, authority, envelope, store);
            Assert.True(check.IsSatisfied, check.Why);
            return check.Findings[0].Result.SignedAt;
        }

        static bool Proves(NotationStoreOptions store) =>
            Notary.Trust(Anybody, store) is var trust && trust.ProvesTimes(trust.Authorities["release"]);
    }

    [Fact]
    public void Age_proven_by_an_index_is_valid_until_the_certificate_of_its_signer_ends()
    {
        var stamper = new TestStamper(Issued, TimeSpan.FromDays(3650));
        var ending = new TestNotary(new() { NotAfter = Forge.Now.AddDays(1) });
        var store = new NotationStoreOptions
        {
            Ca = [Notary.Root.RawData, ending.Root.RawData], Tsa = [TrustedCertificates.ToRoot(stamper.Root.RawData).Root!],
        };
        var limits = new LimitOptions { MinAge = TimeSpan.FromDays(1), AgeFrom = AgeStart.Attested };
        var engine = new PolicyEngine(new()
        {
            Default = Outcome.Allow, Trust = Notary.Trust(Anybody with { StampAfterExpiry = true }, store),
            Rules = [new() { Id = "aged", Require = new() { Signatures = [new("release")], Limits = limits } }],
        });
        var own = Evidence(
            Notary.Envelope(payload: Payload(Forge.Other)),
            static manifest => manifest with { Subject = manifest.Subject! with { Digest = Forge.Other } });
        var ofIndex = Evidence(Stamped(ending, stamper, Forge.Now.AddDays(-2)));
        var verdict = engine.Evaluate(new(Forge.Repository, null, Stage.Pull, Forge.Other, Sample.Image, [])
        {
            Now = Forge.Now,
            Facts = new()
            {
                Above = [(Forge.Subject, Sample.Index(Sample.Image))],
                Evidence = ImmutableDictionary<Digest, ImmutableArray<Evidence>>.Empty
                    .Add(Forge.Other, [own]).Add(Forge.Subject, [ofIndex]),
            },
        });

        Assert.Equal((Outcome.Allow, Forge.Now.AddDays(1)), (verdict.Outcome, verdict.Until));
        Assert.Equal((Forge.Now.AddDays(-2), SignedTime.Stamp), (verdict.Rules[^1].Ages[0].SignedAt, verdict.Rules[^1].Ages[0].By));
    }

    // The statement of a signing authority is not a time stamp: it can choose any time.
    [Fact]
    public void Time_stated_by_a_signing_authority_proves_no_age()
    {
        var authority = Notary.Store with { Ca = [], SigningAuthority = [Notary.Root.RawData] };
        var check = Ask(Notary, Anybody, Notary.Envelope(HeadersOfAuthority(Forge.Now.AddDays(-1))), authority);

        Assert.True(check.IsSatisfied, check.Why);
        Assert.Null(check.Findings[0].Result.SignedAt);
    }
}
