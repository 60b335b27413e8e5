using System.Security.Cryptography.X509Certificates;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Keyless;

/// <summary>Whole signatures: every form of a valid one, and everything that makes one invalid.</summary>
public sealed class KeylessVerifierTests
{
    private static readonly TestSigstore Sigstore = TestSigstore.Shared;

    [Theory]
    [InlineData(Logged.Rekord)]
    [InlineData(Logged.Dsse)]
    [InlineData(Logged.Intoto)]
    [InlineData(Logged.Rekord2)]
    [InlineData(Logged.Dsse2)]
    internal void A_signature_in_either_Rekor_by_every_kind_of_entry_is_trusted(Logged logged)
    {
        var check = Sigstore.Verify(Sigstore.Sign(logged));
        Assert.Null(check.Checked.Code);
        Assert.Equal(new CertificateIdentity(TestSigstore.Issuer, TestSigstore.Workflow), check.Identity);
        Assert.Equal(TestSigstore.Signed, check.SignedAt);
        Assert.Equal($"{TestSigstore.Workflow} by {TestSigstore.Issuer}", check.Checked.Signer);
        Assert.Contains("at 2026-03-01T12:01:00Z", check.Checked.Why);
    }

    [Fact]
    public void Time_stamp_is_enough_when_no_log_is_required()
    {
        var authority = TestSigstore.Trusting(tlog: TlogMode.IfPresent);
        Assert.True(Sigstore.Verify(Sigstore.Sign(Logged.Nowhere, stamp: true), authority).Checked.IsTrusted);
    }

    [Fact]
    public void Signed_entry_timestamp_of_a_legacy_bundle_is_enough_without_a_proof()
    {
        var material = Sigstore.Sign(Logged.Rekord) with { Format = SignatureFormat.Legacy };
        Assert.True(Sigstore.Verify(material with { LogEntries = [material.LogEntries[0] with { Proof = null }] }).Checked.IsTrusted);
    }

    [Fact]
    public void Missing_required_log_entry_is_reported() =>
        Refused(ReasonCodes.SigTlogInvalid, "a log entry is required, there is none", Sigstore.Sign(Logged.Nowhere, stamp: true));

    [Theory]
    [InlineData(Logged.Rekord2)]
    [InlineData(Logged.Nowhere)]
    internal void Log_entry_without_signed_entry_timestamp_proves_no_time(Logged logged) => Refused(
        ReasonCodes.SigTimeInvalid, "no time that can be verified", Sigstore.Sign(logged, stamp: false),
        TestSigstore.Trusting(tlog: TlogMode.IfPresent));

    [Fact]
    public void Time_of_an_entry_without_a_signed_entry_timestamp_does_not_count()
    {
        var material = Sigstore.Sign(Logged.Dsse);
        var bare = material with { LogEntries = [material.LogEntries[0] with { SignedEntryTimestamp = null }] };
        Refused(ReasonCodes.SigTimeInvalid, "no time", bare);
    }

    [Fact]
    public void Time_of_a_log_entry_is_ignored_when_logs_are_ignored() => Refused(
        ReasonCodes.SigTimeInvalid, "no time", Sigstore.Sign(Logged.Dsse), TestSigstore.Trusting(tlog: TlogMode.Ignore));

    [Theory]
    [InlineData(-61)]
    [InlineData(9 * 60 + 1)]
    public void Signature_outside_the_validity_of_its_certificate_is_refused(int secondsAfter) => Refused(
        ReasonCodes.SigTimeInvalid, "the certificate is valid from 2026-03-01T12:00:00Z to 2026-03-01T12:10:00Z",
        Sigstore.Sign(at: TestSigstore.Signed.AddSeconds(secondsAfter)));

    // OpenSSL treats notAfter itself as too late, unlike RFC 5280 and Go: one second, on the safe side.
    [Theory]
    [InlineData(-60)]
    [InlineData((9 * 60) - 1)]
    public void First_and_last_second_of_the_certificate_validity_count(int secondsAfter) =>
        Assert.True(Sigstore.Verify(Sigstore.Sign(at: TestSigstore.Signed.AddSeconds(secondsAfter))).Checked.IsTrusted);

    [Fact]
    public void Every_proven_time_must_be_within_the_certificate_validity()
    {
        var material = Sigstore.Sign(Logged.Dsse);
        var late = Sigstore.Stamper.Stamp(material.Signature.ToArray(), TestSigstore.Signed.AddHours(1));
        Refused(ReasonCodes.SigTimeInvalid, "signed at 2026-03-01T13:01:00Z", material with { Timestamps = [late] });
    }

    [Fact]
    public void Signature_over_other_content_is_refused()
    {
        var material = Sigstore.Sign();
        Refused(ReasonCodes.SigBad, "not over this content", material with { SignedBytes = "other"u8.ToArray() });
    }

    // .NET throws another exception for curves that OpenSSL does not know.
    [Fact]
    public void Key_on_an_unknown_curve_is_refused_without_an_exception()
    {
        var material = Sigstore.Sign();
        var certificate = material.Certificate!.Value.ToArray();
        byte[] curve = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]; // P-256, RFC 5480 §2.1.1.1
        certificate[certificate.AsSpan().IndexOf(curve) + 2] ^= 0x01;
        Refused(ReasonCodes.SigBad, "expected a public key of ECDSA P-256", material with { Certificate = certificate });
    }

    [Fact]
    public void Signature_by_a_bare_key_has_no_identity() =>
        Refused(ReasonCodes.SigNoTrusted, "signed by a bare key, expected a certificate", Sigstore.Sign() with { Certificate = null });

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Malformed_certificate_or_trailing_bytes_are_refused(int kept)
    {
        var material = Sigstore.Sign();
        ReadOnlyMemory<byte> bytes = kept == 0 ? new byte[] { 1, 2, 3 } : new byte[material.Certificate!.Value.Length + 1];
        if (kept > 0) material.Certificate!.Value.CopyTo(System.Runtime.InteropServices.MemoryMarshal.AsMemory(bytes));
        Refused(ReasonCodes.SigBad, "expected a certificate in DER", material with { Certificate = bytes });
    }

    [Fact]
    public void Certificate_in_PEM_is_refused()
    {
        var material = Sigstore.Sign();
        var pem = System.Security.Cryptography.PemEncoding.WriteString("CERTIFICATE", material.Certificate!.Value.Span);
        Refused(
            ReasonCodes.SigBad, "expected a certificate in DER", material with { Certificate = System.Text.Encoding.ASCII.GetBytes(pem) });
    }

    public static TheoryData<string, string> BadLeaves => new()
    {
        { "no usage", "lacks the extended key usage 1.3.6.1.5.5.7.3.3" },
        { "server usage", "lacks the extended key usage 1.3.6.1.5.5.7.3.3" },
        { "any usage", "lacks the extended key usage 1.3.6.1.5.5.7.3.3" },
        { "authority", "the certificate is an authority's" },
        { "no digital signature", "lacks the key usage digitalSignature" },
        { "no key usage", "lacks the key usage digitalSignature" },
    };

    [Theory]
    [MemberData(nameof(BadLeaves))]
    public void Certificate_without_the_code_signing_usage_is_refused(string which, string why)
    {
        var leaf = which switch
        {
            "no usage" => new LeafOptions { Usages = [] },
            "server usage" => new LeafOptions { Usages = ["1.3.6.1.5.5.7.3.1"] },
            "any usage" => new LeafOptions { Usages = ["2.5.29.37.0"] },
            "authority" => new LeafOptions
            {
                IsAuthority = true, KeyUsage = X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign,
            },
            "no digital signature" => new LeafOptions { KeyUsage = X509KeyUsageFlags.KeyEncipherment },
            _ => new LeafOptions { KeyUsage = null },
        };
        Refused(ReasonCodes.SigNoTrusted, why, Sigstore.Sign(leaf: leaf));
    }

    [Fact]
    public void Self_made_chain_is_refused_even_with_its_own_root()
    {
        var forger = new TestFulcio(TestSigstore.Issued.AddYears(-1), TimeSpan.FromDays(3650));
        var material = Sigstore.Sign(leaf: new LeafOptions { SctBy = Sigstore.Fulcio.Log }, fulcio: forger);
        var chained = material with { Chain = [forger.Intermediate.RawData, forger.Root.RawData] };
        Refused(ReasonCodes.SigNoTrusted, "no path to 'https://fulcio.test.example'", material);
        Refused(ReasonCodes.SigNoTrusted, "no path to 'https://fulcio.test.example'", chained);
    }

    [Fact]
    public void Genuine_chain_in_the_bundle_changes_nothing()
    {
        var chain = new ReadOnlyMemory<byte>[] { Sigstore.Fulcio.Intermediate.RawData, Sigstore.Fulcio.Root.RawData };
        Assert.True(Sigstore.Verify(Sigstore.Sign() with { Chain = [.. chain] }).Checked.IsTrusted);
        var rootless = Sigstore.Root with { CertificateAuthorities = [] };
        Refused(ReasonCodes.SigNoTrusted, "names no certificate authority", Sigstore.Sign() with { Chain = [.. chain] }, root: rootless);
    }

    [Fact]
    public void Intermediate_that_is_not_pinned_is_not_used()
    {
        var authority = Sigstore.Root.CertificateAuthorities[0];
        var rootOnly = Sigstore.Root with { CertificateAuthorities = [authority with { Certificates = [authority.Certificates[^1]] }] };
        var chained = Sigstore.Sign() with { Chain = [Sigstore.Fulcio.Intermediate.RawData] };
        Refused(ReasonCodes.SigNoTrusted, "no path", chained, root: rootOnly);
    }

    [Theory]
    [InlineData("2025-01-01T00:00:00Z", "2026-03-01T12:00:59Z")]
    [InlineData("2026-03-01T12:01:01Z", null)]
    public void Authority_outside_its_validity_does_not_count(string start, string? end)
    {
        var moment = System.Globalization.CultureInfo.InvariantCulture;
        var range = new TimeRange(DateTimeOffset.Parse(start, moment), end is null ? null : DateTimeOffset.Parse(end, moment));
        var root = Sigstore.Root;
        root = root with { CertificateAuthorities = [root.CertificateAuthorities[0] with { ValidFor = range }] };
        Refused(ReasonCodes.SigNoTrusted, "is trusted from", Sigstore.Sign(), root: root);
    }

    [Fact]
    public void Every_certificate_of_the_path_must_be_valid_at_the_signing_time()
    {
        var shortLived = new TestSigstoreParts(new TestFulcio(TestSigstore.Issued.AddYears(-2), TimeSpan.FromDays(365)));
        var material = Sigstore.Sign(fulcio: shortLived.Fulcio, leaf: new LeafOptions { SctBy = Sigstore.Fulcio.Log });
        Refused(ReasonCodes.SigNoTrusted, "NotTimeValid", material, root: shortLived.In(Sigstore.Root));
    }

    [Fact]
    public void One_matching_authority_of_several_is_enough()
    {
        var other = new TestSigstoreParts(new TestFulcio(TestSigstore.Issued.AddYears(-1), TimeSpan.FromDays(3650)));
        var root = other.In(Sigstore.Root);
        root = root with { CertificateAuthorities = [.. root.CertificateAuthorities, .. Sigstore.Root.CertificateAuthorities] };
        Assert.True(Sigstore.Verify(Sigstore.Sign(), root: root).Checked.IsTrusted);
    }

    [Fact]
    public void Root_that_is_too_old_is_reported_first()
    {
        var root = new KeylessRootOptions(Sigstore.Root) { ReadFrom = TestSigstore.Signed, MaxAge = TimeSpan.FromDays(30) };
        Assert.True(Ask(root, TestSigstore.Signed.AddDays(30)).Checked.IsTrusted);
        var stale = Ask(root, TestSigstore.Signed.AddDays(30).AddSeconds(1));
        Assert.Equal(ReasonCodes.TrustStale, stale.Checked.Code);
        Assert.Equal("trusted root 'test' is of 2026-03-01T12:01:00Z, expected one not older than 30 days", stale.Checked.Why);
        Assert.Equal(ReasonCodes.TrustStale, Ask(root with { ReadFrom = null }, TestSigstore.Signed).Checked.Code);
    }

    [Fact]
    public void Certificates_are_checked_at_the_signing_time_not_at_the_current_time() =>
        Assert.True(Ask(new KeylessRootOptions(Sigstore.Root), TestSigstore.Signed.AddYears(-20)).Checked.IsTrusted);

    private static KeylessCheck Ask(KeylessRootOptions root, DateTimeOffset now) =>
        KeylessVerifier.Verify(Sigstore.Sign(), TestSigstore.Trusting(), root, now);

    private static void Refused(
        string code, string why, SignatureMaterial material, AuthorityOptions? authority = null, TrustedRoot? root = null)
    {
        var check = Sigstore.Verify(material, authority, root);
        Assert.Equal(code, check.Checked.Code);
        Assert.Contains(why, check.Checked.Why);
        Assert.Null(check.Identity);
        Assert.Null(check.SignedAt);
    }

    private sealed record TestSigstoreParts(TestFulcio Fulcio)
    {
        public TrustedRoot In(TrustedRoot root) => root with
        {
            CertificateAuthorities =
            [
                new PinnedAuthority(
                    "https://other.test.example", [Fulcio.Intermediate.RawData, Fulcio.Root.RawData],
                    root.CertificateAuthorities[0].ValidFor),
            ],
        };
    }
}
