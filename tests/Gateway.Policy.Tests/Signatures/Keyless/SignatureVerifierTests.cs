using System.Collections.Immutable;
using System.Security.Cryptography;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Keyless;

/// <summary>Authorities by their names in the policy: keyless ones with their root, and keys with required logs.</summary>
public sealed class SignatureVerifierTests
{
    private static readonly TestSigstore Sigstore = TestSigstore.Shared;

    [Fact]
    public void Keyless_authority_is_checked_with_the_root_that_it_names()
    {
        var found = Verify(TestSigstore.Trusting(), Sigstore.Sign());
        Assert.Null(found.Code);
        Assert.Equal($"{TestSigstore.Workflow} by {TestSigstore.Issuer}", found.Signer);
        Assert.Equal(ReasonCodes.SigNoTrusted, Verify(TestSigstore.Trusting(subject: "other"), Sigstore.Sign()).Code);
    }

    [Fact]
    public void Stale_root_is_reported_for_its_authorities()
    {
        var root = new KeylessRootOptions(Sigstore.Root) { ReadFrom = TestSigstore.Signed, MaxAge = TimeSpan.FromDays(1) };
        var stale = Trust(null) with { Keyless = Roots(root) };
        var found = new SignatureVerifier(stale).Verify(TestSigstore.Trusting(), Sigstore.Sign(), TestSigstore.Signed.AddDays(2));
        Assert.Equal(ReasonCodes.TrustStale, found.Code);
    }

    [Theory]
    [InlineData(TlogMode.Require, true, true)]
    [InlineData(TlogMode.Require, false, false)]
    [InlineData(TlogMode.IfPresent, true, true)]
    [InlineData(TlogMode.IfPresent, false, true)]
    [InlineData(TlogMode.Ignore, false, true)]
    public void Key_with_required_log_needs_an_entry(TlogMode mode, bool isLogged, bool counts)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var material = SignWith(key, isLogged);
        var found = Verify(new("release") { AnyOf = ["k"], Tlog = mode }, material, key);
        Assert.Equal(counts, found.IsTrusted);
        if (!counts) Assert.Equal(ReasonCodes.SigTlogInvalid, found.Code);
    }

    [Fact]
    public void Log_entry_of_another_signature_invalidates_a_good_key_signature()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var material = SignWith(key, isLogged: true) with { LogEntries = Sigstore.Sign().LogEntries };
        var found = Verify(new("release") { AnyOf = ["k"] }, material, key);
        Assert.Equal(ReasonCodes.SigTlogInvalid, found.Code);
        Assert.Contains("it is for another signature", found.Why);
    }

    [Fact]
    public void Signature_logged_before_its_key_was_retired_counts_even_if_seen_later()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var retired = TestSigstore.Signed.AddDays(1);
        var later = TestSigstore.Signed.AddDays(5);
        var authority = new AuthorityOptions("release") { AnyOf = ["k"] };
        Assert.True(Verify(authority, SignWith(key, isLogged: true) with { FirstSeen = later }, key, retired).IsTrusted);
        var unlogged = Verify(authority, SignWith(key, isLogged: false) with { FirstSeen = later }, key, retired);
        Assert.Equal(ReasonCodes.SigKeyRetired, unlogged.Code);
    }

    [Fact]
    public void Only_a_time_stamp_over_this_signature_proves_a_time()
    {
        var material = Sigstore.Sign(Logged.Rekord2, stamp: false);
        var envelope = "an envelope with the signature in it"u8.ToArray();
        var stamped = material with { Timestamped = envelope, Timestamps = [Sigstore.Stamper.Stamp(envelope, TestSigstore.Signed)] };
        Assert.True(Verify(TestSigstore.Trusting(), stamped).IsTrusted);
        Assert.Equal(ReasonCodes.SigTimeInvalid, Verify(TestSigstore.Trusting(), stamped with { Timestamped = material.Signature }).Code);
    }

    private static SignatureMaterial SignWith(ECDsa key, bool isLogged)
    {
        var template = Sigstore.Sign(Logged.Nowhere);
        var signed = template.SignedBytes.ToArray();
        var signature = key.SignData(signed, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        var body = LogBodies.Rekord(signed, signature, key.ExportSubjectPublicKeyInfoPem() + "\n");
        return template with
        {
            Certificate = null,
            Signature = signature,
            Timestamped = signature,
            LogEntries = isLogged ? [Sigstore.Rekor.Append("hashedrekord", "0.0.1", body, TestSigstore.Signed)] : [],
        };
    }

    private static Checked Verify(
        AuthorityOptions authority, SignatureMaterial material, ECDsa? key = null, DateTimeOffset? retired = null) =>
        new SignatureVerifier(Trust(key, retired)).Verify(authority, material, TestSigstore.Signed.AddDays(9));

    private static TrustOptions Trust(ECDsa? key, DateTimeOffset? retired = null)
    {
        var keys = ImmutableSortedDictionary<string, KeyOptions>.Empty;
        if (key is not null)
            keys = keys.Add("k", new KeyOptions(VerificationKey.FromSpki(key.ExportSubjectPublicKeyInfo()).Key!) { RetiredAt = retired });
        return new TrustOptions { Keys = keys, Keyless = Roots(new KeylessRootOptions(Sigstore.Root)) };
    }

    private static ImmutableSortedDictionary<string, KeylessRootOptions> Roots(KeylessRootOptions root) =>
        ImmutableSortedDictionary<string, KeylessRootOptions>.Empty.Add("test", root);
}
