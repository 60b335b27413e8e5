using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>The verifier accepts what cosign 2, cosign 3 and skopeo write, with every kind of key.</summary>
public sealed class CosignFixtureTests
{
    private const string Slsa = "https://slsa.dev/provenance/v1";

    /// <summary>Every fixture with a signature by its key.</summary>
    public static TheoryData<string> Names =>
    [
        "p256-cosign2", "p384-cosign2", "p521-cosign2", "rsa2048-cosign2", "rsa4096-cosign2", "ed25519-cosign2",
        "p256-cosign3", "p384-cosign3", "p521-cosign3", "rsa2048-cosign3", "rsa4096-cosign3", "two-signers", "referrer-legacy", "skopeo",
    ];

    [Theory]
    [MemberData(nameof(Names))]
    public void Real_signature_verifies(string name)
    {
        var check = Fixture.Read(name).Signatures();

        Assert.True(check.IsSatisfied, check.Why);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Real_signature_of_another_manifest_does_not_count(string name)
    {
        var check = (Fixture.Read(name) with { Subject = Forge.Other }).Signatures();

        Assert.Equal(ReasonCodes.SigWrongDigest, check.Code);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Real_signature_by_another_key_does_not_count(string name)
    {
        var check = (Fixture.Read(name) with { KeyPem = TestKey.Ecdsa().Pem }).Signatures();

        Assert.Equal(ReasonCodes.SigNoTrusted, check.Code);
    }

    [Theory]
    [InlineData("p384-cosign3")]
    [InlineData("p521-cosign3")]
    public void Signature_with_another_hash_than_the_configured_one_does_not_verify(string name) =>
        Assert.Equal(ReasonCodes.SigNoTrusted, (Fixture.Read(name) with { Hash = SignatureHash.Sha256 }).Signatures().Code);

    [Fact]
    public void Prehashed_ed25519_signature_of_cosign_3_does_not_verify() =>
        Assert.False(Fixture.Read("ed25519-cosign3").Signatures().IsSatisfied);

    [Theory]
    [InlineData("p256-cosign2", SignatureFormat.Legacy)]
    [InlineData("p256-cosign3", SignatureFormat.Bundle)]
    [InlineData("referrer-legacy", SignatureFormat.ReferrerLegacy)]
    [InlineData("skopeo", SignatureFormat.Legacy)]
    public void Format_is_read_from_the_manifest(string name, SignatureFormat format)
    {
        var fixture = Fixture.Read(name);

        Assert.Equal(format, Assert.Single(fixture.Signatures().Findings).Format);
        var others = Enum.GetValues<SignatureFormat>().Where(other => other != format).ToImmutableArray();
        Assert.Equal(ReasonCodes.SigNoTrusted, fixture.Signatures(new("release") { Formats = others }).Code);
        Assert.True(fixture.Signatures(new("release") { Formats = [format] }).IsSatisfied);
    }

    [Fact]
    public void Bundle_names_the_key_that_made_it()
    {
        var fixture = Fixture.Read("p256-cosign3");
        var made = VerificationKey.Parse(fixture.KeyPem).Key!.Fingerprint;

        var check = (fixture with { KeyPem = TestKey.Ecdsa().Pem }).Signatures();

        Assert.Contains(made[..19], check.Why, StringComparison.Ordinal);
        Assert.Equal(ReasonCodes.SigNoTrusted, Assert.Single(check.Findings).Result.Code);
    }

    [Theory]
    [InlineData("attested-cosign2")]
    [InlineData("attested-cosign3")]
    public void Real_attestation_is_read(string name)
    {
        var fixture = Fixture.Read(name);
        var workflow = "$.buildDefinition.externalParameters.workflow.ref";

        Assert.True(fixture.Attestations(Slsa).IsSatisfied);
        Assert.True(fixture.Attestations(Slsa, new PredicateCondition(workflow, new(TextComparison.Glob, "refs/tags/v*"))).IsSatisfied);
        var other = fixture.Attestations(Slsa, new PredicateCondition(workflow, new(TextComparison.Exact, "refs/tags/v2")));
        Assert.Equal(ReasonCodes.AttPredicateFailed, other.Code);
        Assert.Contains("'refs/tags/v1'", other.Why, StringComparison.Ordinal);
        Assert.Equal(ReasonCodes.AttNone, fixture.Attestations("https://cyclonedx.org/bom").Code);
    }

    [Theory]
    [InlineData("attested-cosign2")]
    [InlineData("attested-cosign3")]
    public void Real_attestation_does_not_count_as_a_signature(string name) =>
        Assert.Equal(ReasonCodes.SigWrongPredicate, Fixture.Read(name).Signatures().Code);

    [Theory]
    [InlineData("p256-cosign2")]
    [InlineData("skopeo")]
    public void Reference_that_real_clients_sign_is_compared_with_the_repository(string name)
    {
        var fixture = Fixture.Read(name);
        var bound = new SignatureRequirementOptions("release") { BindReference = BindReference.Required };

        Assert.True(fixture.Signatures(bound).IsSatisfied, fixture.Signatures(bound).Why);
        Assert.Equal(
            ReasonCodes.SigWrongReference, (fixture with { Repository = RepositoryName.Parse("prod/other") }).Signatures(bound).Code);
    }

    /// <summary>Whatever a change in transit affects, only the signed content is trusted.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Flipped_bit_never_makes_another_claim_count(string name)
    {
        var fixture = Fixture.Read(name);
        var honest = EvidenceSet.Read(fixture.Evidence).Found.Select(static f => Convert.ToHexString(f.Material!.Payload.Span)).ToHashSet();
        var random = new Random(1);
        for (var i = 0; i < 40; i++)
        {
            var flipped = fixture with { Evidence = [.. fixture.Evidence.Select(one => one with { Blobs = Flip(one.Blobs, random) })] };
            var believed = flipped.Signatures();
            if (!believed.IsSatisfied) continue;
            // Unsigned parts can change (a key hint, the case of a key); the claim cannot.
            var trusted = EvidenceSet.Read(flipped.Evidence).Found.Where(f => believed.Findings.Any(
                finding => finding.Result.IsTrusted && (finding.Evidence, finding.Layer) == (f.Evidence, f.Layer)));
            Assert.All(trusted, f => Assert.Contains(Convert.ToHexString(f.Material!.Payload.Span), honest));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Flipped_bit_in_what_is_signed_or_in_the_signature_fails(string name)
    {
        var fixture = Fixture.Read(name);
        var material = EvidenceSet.Read(fixture.Evidence).Found.Select(static f => f.Material!).First();
        var verifier = new SignatureVerifier(fixture.Trust);
        var random = new Random(2);
        for (var i = 0; i < 40; i++)
        {
            var bad = i % 2 == 0
                ? material with { SignedBytes = Flip(material.SignedBytes, random) }
                : material with { Signature = Flip(material.Signature, random) };
            Assert.False(verifier.Verify(fixture.Trust.Authorities["release"], bad, Fixture.Seen).IsTrusted);
        }
    }

    private static ImmutableDictionary<Digest, ReadOnlyMemory<byte>> Flip(
        ImmutableDictionary<Digest, ReadOnlyMemory<byte>> blobs, Random random) =>
        blobs.ToImmutableDictionary(static blob => blob.Key, blob => Flip(blob.Value, random));

    private static ReadOnlyMemory<byte> Flip(ReadOnlyMemory<byte> bytes, Random random)
    {
        var flipped = bytes.ToArray();
        flipped[random.Next(flipped.Length)] ^= (byte)(1 << random.Next(8));
        return flipped;
    }
}
