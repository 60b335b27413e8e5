using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Keyless;

/// <summary>The signed timestamp in the certificate: by a known log, within its validity, for this certificate.</summary>
public sealed class CertificateTimestampTests
{
    private static readonly TestSigstore Sigstore = TestSigstore.Shared;

    [Fact]
    public void Timestamp_with_extensions_counts() =>
        Assert.True(Verify(new LeafOptions { SctExtensions = [0, 0, 5, 1, 2, 3, 4, 5] }).IsTrusted);

    [Fact]
    public void Certificate_without_a_timestamp_is_refused() =>
        Refused("expected a signed certificate timestamp (SCT) in the certificate, got none", new LeafOptions { HasSct = false });

    [Fact]
    public void Timestamp_of_an_unknown_log_does_not_count() =>
        Refused("which the trusted root does not name", new LeafOptions { SctBy = TestLogKey.Ecdsa() });

    [Fact]
    public void Timestamp_by_another_scheme_than_the_key_of_the_log_is_refused() =>
        Refused("is signed by another scheme than the key of log 'https://ct.test.example'", new LeafOptions { SctScheme = 1 });

    [Fact]
    public void Timestamp_outside_the_validity_of_the_log_key_is_refused()
    {
        var root = Sigstore.Root;
        var before = new TimeRange(TestSigstore.Issued.AddDays(-9), TestSigstore.Issued.AddSeconds(-1));
        root = root with { CertificateLogs = [root.CertificateLogs[0] with { ValidFor = before }] };
        Refused("its SCT is of 2026-03-01T12:00:00Z", new LeafOptions(), root);
    }

    [Fact]
    public void Log_with_a_key_that_does_not_match_its_id_does_not_verify()
    {
        var root = Sigstore.Root;
        root = root with { CertificateLogs = [root.CertificateLogs[0] with { Key = TestLogKey.Ecdsa().Public }] };
        Refused("is not for this certificate", new LeafOptions(), root);
    }

    [Fact]
    public void Root_without_certificate_logs_trusts_no_certificate() =>
        Refused("which the trusted root does not name", new LeafOptions(), Sigstore.Root with { CertificateLogs = [] });

    // The timestamp of one certificate in another: the certificate is properly signed, but the timestamp is not for it.
    [Fact]
    public void Timestamp_copied_from_another_certificate_is_refused()
    {
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        using var donor = Sigstore.Fulcio.Issue(key, new LeafOptions());
        var sct = donor.Extensions.Single(e => e.Oid!.Value == "1.3.6.1.4.1.11129.2.4.2").RawData;
        Refused("is not for this certificate", new LeafOptions { RawSct = sct });
    }

    [Theory]
    [InlineData("0400")] // an empty octet string
    [InlineData("04020000")] // an empty list
    [InlineData("0404000200ff")] // an item longer than the list
    [InlineData("04050003000101")] // a timestamp of one byte, of a version that is not 1
    [InlineData("0403000500")] // a list that says it is longer
    public void Unreadable_list_of_timestamps_is_refused(string list) =>
        Assert.False(Verify(new LeafOptions { RawSct = Convert.FromHexString(list) }).IsTrusted);

    [Fact]
    public void Timestamp_extension_that_is_not_DER_is_refused_without_an_exception() =>
        Assert.Equal(ReasonCodes.SigBad, Verify(new LeafOptions { RawSct = [0xff, 0xff] }).Code);

    private static void Refused(string why, LeafOptions leaf, TrustedRoot? root = null)
    {
        var check = Verify(leaf, root);
        Assert.Equal(ReasonCodes.SigNoTrusted, check.Code);
        Assert.Contains(why, check.Why);
    }

    private static Checked Verify(LeafOptions leaf, TrustedRoot? root = null) =>
        Sigstore.Verify(Sigstore.Sign(leaf: leaf), root: root).Checked;
}
