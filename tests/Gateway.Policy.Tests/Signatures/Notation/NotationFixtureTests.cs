using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Notation;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Notation;

/// <summary>The verifier accepts what the real notation writes (see Fixtures/make-notation.sh).</summary>
public sealed class NotationFixtureTests
{
    /// <summary>Every fixture, in JWS and COSE, by each kind of key.</summary>
    public static TheoryData<string> Names =>
    [
        "generated", "generated-cose", "expiring", "es256", "es384", "es512", "ps384", "ps512", "es512-cose", "ps384-cose", "stamped",
    ];

    private sealed record Signature(Digest Subject, DateTimeOffset At, TrustOptions Trust, ImmutableArray<Evidence> Evidence)
    {
        public static Signature Read(string name)
        {
            var file = Path.Combine(AppContext.BaseDirectory, "Signatures", "Fixtures", $"notation-{name}.json");
        var json = JsonNode.Parse(File.ReadAllText(file))!;
            var store = new NotationStoreOptions
            {
                Ca = TrustedCertificates.Parse((string)json["ca"]!).Certificates,
                Tsa = (string?)json["tsa"] is { } tsa
                    ? [.. TrustedCertificates.Parse(tsa).Certificates.Select(static der => TrustedCertificates.ToRoot(der).Root!)]
                    : [],
            };
            return new(
                Digest.Parse((string)json["subject"]!), DateTimeOffset.Parse((string)json["at"]!, CultureInfo.InvariantCulture),
                new()
                {
                    Notation = ImmutableSortedDictionary<string, NotationStoreOptions>.Empty.Add("acme", store),
                    Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add(
                        "release", new("release") { Notation = new("acme") { AnyIdentity = true } }),
                },
                [.. json["evidence"]!.AsArray().Select(static one => ReadEvidence(one!))]);
        }

        public EvidenceCheck Ask() => new EvidenceVerifier(Trust).Signatures(
            new("release"), Subject, Forge.Repository, EvidenceSet.Read(Evidence), At);

        private static Evidence ReadEvidence(JsonNode json)
        {
            var bytes = Encoding.UTF8.GetBytes((string)json["manifest"]!);
            var (manifest, problem) = ManifestReader.Read(bytes, null, new());
            Assert.Null(problem);
            return new(Digest.Of(bytes), manifest!, null, Forge.Now, json["blobs"]!.AsObject().ToImmutableDictionary(
                static blob => Digest.Parse(blob.Key), static blob => (ReadOnlyMemory<byte>)Convert.FromBase64String((string)blob.Value!)));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Real_signature_verifies_at_level_strict(string name)
    {
        var check = Signature.Read(name).Ask();

        Assert.True(check.IsSatisfied, check.Why);
        Assert.Equal(SignatureFormat.Notation, Assert.Single(check.Findings).Format);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Real_signature_of_another_manifest_does_not_count(string name) =>
        Assert.Equal(ReasonCodes.SigWrongDigest, (Signature.Read(name) with { Subject = Forge.Other }).Ask().Code);

    [Theory]
    [MemberData(nameof(Names))]
    public void Flipped_bit_never_makes_another_claim_count(string name)
    {
        var signature = Signature.Read(name);
        var honest = Assert.Single(EvidenceSet.Read(signature.Evidence).Found).Material!.Payload.ToArray();
        var random = new Random(1);
        for (var i = 0; i < 60; i++)
        {
            var flipped = signature with { Evidence = [.. signature.Evidence.Select(one => one with { Blobs = Flip(one.Blobs, random) })] };
            if (flipped.Ask().IsSatisfied)
                Assert.Equal(honest, EvidenceSet.Read(flipped.Evidence).Found[0].Material!.Payload.ToArray());
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Envelope_cut_anywhere_is_refused_and_nothing_is_thrown(string name)
    {
        var signature = Signature.Read(name);
        var (digest, bytes) = signature.Evidence[0].Blobs.Single();
        for (var length = 0; length < bytes.Length; length += 37)
        {
            var cut = signature.Evidence[0] with { Blobs = signature.Evidence[0].Blobs.SetItem(digest, bytes[..length]) };
            Assert.Equal(ReasonCodes.SigBad, (signature with { Evidence = [cut] }).Ask().Code);
        }
    }

    [Fact]
    public void Certificate_counts_only_while_it_is_valid()
    {
        var signature = Signature.Read("generated");
        var until = signature.Ask().Findings[0].Result.ChangesAt!.Value;

        Assert.InRange(until - signature.At, TimeSpan.FromHours(20), TimeSpan.FromHours(24));
        Assert.True((signature with { At = until.AddSeconds(-1) }).Ask().IsSatisfied);
        Assert.Equal(ReasonCodes.SigTimeInvalid, (signature with { At = until }).Ask().Code);
    }

    [Fact]
    public void Time_stamped_signature_counts_after_its_certificates_expired()
    {
        var stamped = Signature.Read("stamped");
        var plain = Signature.Read("es256");

        Assert.True((stamped with { At = stamped.At.AddYears(30) }).Ask().IsSatisfied);
        Assert.Equal(SignedTime.Stamp, stamped.Ask().Findings[0].Result.SignedAt?.By);
        Assert.Null(plain.Ask().Findings[0].Result.SignedAt);
        Assert.Equal(ReasonCodes.SigTimeInvalid, (plain with { At = plain.At.AddYears(30) }).Ask().Code);
    }

    private static ImmutableDictionary<Digest, ReadOnlyMemory<byte>> Flip(
        ImmutableDictionary<Digest, ReadOnlyMemory<byte>> blobs, Random random)
    {
        var (digest, blob) = blobs.Single();
        var bytes = blob.ToArray();
        bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
        return blobs.SetItem(digest, bytes);
    }
}
