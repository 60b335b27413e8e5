using System.Collections.Immutable;
using System.Security.Cryptography;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>The proven times of signatures: only logs and time stampers prove one.</summary>
public sealed class SignedTimeTests : IDisposable
{
    private static readonly TestSigstore Sigstore = TestSigstore.Shared;
    private static readonly DateTimeOffset At = TestSigstore.Signed;
    private static readonly AuthorityOptions Release = new("release") { AnyOf = ["k"] };

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public void Dispose() => _key.Dispose();

    [Theory]
    [InlineData(Logged.Dsse, SignedTime.Log)]
    [InlineData(Logged.Rekord2, SignedTime.Stamp)]
    internal void A_keyless_signature_has_the_time_that_its_kind_of_log_goes_with(Logged logged, string by) =>
        Assert.Equal(new SignedTime(At, by), Keyless(Sigstore.Sign(logged)).SignedAt);

    [Theory]
    [InlineData(-30, SignedTime.Stamp)]
    [InlineData(30, SignedTime.Log)]
    public void Earlier_of_log_time_and_time_stamp_counts(int secondsLater, string by)
    {
        var material = Sigstore.Sign();
        var stamp = Sigstore.Stamper.Stamp(material.Signature.ToArray(), At.AddSeconds(secondsLater));
        var found = Keyless(material with { Timestamps = [stamp] });
        Assert.Equal(new SignedTime(secondsLater < 0 ? At.AddSeconds(secondsLater) : At, by), found.SignedAt);
    }

    [Fact]
    public void Signature_that_does_not_count_has_no_time()
    {
        var found = new SignatureVerifier(Trust()).Verify(TestSigstore.Trusting(subject: "other"), Sigstore.Sign(), At.AddDays(1));
        Assert.Equal((false, null), (found.IsTrusted, found.SignedAt));
    }

    [Fact]
    public void Key_signature_has_the_time_of_its_log_entry_even_if_seen_later()
    {
        var found = ByKey(LoggedAt(Signed(), At) with { FirstSeen = At.AddDays(100) });
        Assert.Equal(new SignedTime(At, SignedTime.Log), found.SignedAt);
        Assert.EndsWith(" at 2026-03-01T12:01:00Z", found.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Earliest_of_several_entries_counts_in_any_order()
    {
        var material = LoggedAt(Signed(), At.AddDays(2), At, At.AddDays(1));
        Assert.Equal(At, ByKey(material).SignedAt!.At);
        Assert.Equal(At, ByKey(material with { LogEntries = [.. material.LogEntries.Reverse()] }).SignedAt!.At);
    }

    [Fact]
    public void Key_signature_without_log_and_time_stamp_counts_and_has_no_time()
    {
        var found = ByKey(Signed() with { FirstSeen = At.AddYears(-1) });
        Assert.Equal((true, null), (found.IsTrusted, found.SignedAt));
    }

    [Fact]
    public void Log_time_without_a_signed_entry_timestamp_does_not_count()
    {
        var entry = LoggedAt(Signed(), At);
        var untimed = entry with { LogEntries = [entry.LogEntries[0] with { SignedEntryTimestamp = null }] };
        Assert.Equal((true, null), (ByKey(untimed).IsTrusted, ByKey(untimed).SignedAt));
        var earlier = entry with { LogEntries = [entry.LogEntries[0] with { IntegratedTime = At.AddDays(-9) }] };
        Assert.Equal(ReasonCodes.SigTlogInvalid, ByKey(earlier).Code);
    }

    [Fact]
    public void Ignored_log_entries_prove_no_time() =>
        Assert.Null(ByKey(LoggedAt(Signed(), At), Release with { Tlog = TlogMode.Ignore }).SignedAt);

    [Fact]
    public void Pinned_time_stamper_proves_the_time_of_a_key_signature_and_an_unknown_one_does_not()
    {
        var material = Signed();
        var signature = material.Signature.ToArray();
        Assert.Equal(
            new SignedTime(At, SignedTime.Stamp), ByKey(material with { Timestamps = [Sigstore.Stamper.Stamp(signature, At)] }).SignedAt);
        var stranger = new TestStamper(At.AddYears(-1), TimeSpan.FromDays(3650));
        byte[][] worthless = [stranger.Stamp(signature, At), Sigstore.Stamper.Stamp([1], At), [1, 2, 3]];
        Assert.All(worthless, stamp =>
        {
            var found = ByKey(material with { Timestamps = [stamp] });
            Assert.Equal((true, null), (found.IsTrusted, found.SignedAt));
        });
    }

    [Fact]
    public void Signature_stamped_before_its_key_was_retired_counts_even_if_seen_later()
    {
        var material = Signed() with { FirstSeen = At.AddDays(5) };
        var stamped = material with { Timestamps = [Sigstore.Stamper.Stamp(material.Signature.ToArray(), At)] };
        Assert.True(ByKey(stamped, retired: At.AddDays(1)).IsTrusted);
        Assert.Equal(ReasonCodes.SigKeyRetired, ByKey(material, retired: At.AddDays(1)).Code);
    }

    [Fact]
    public void Times_can_be_proven_with_a_required_log_or_a_pinned_time_stamper()
    {
        var (none, log, stamper) = (RootWith("tlogs", "timestampAuthorities"), RootWith("timestampAuthorities"), RootWith("tlogs"));
        var blind = Release with { Tlog = TlogMode.Ignore };
        Assert.Equal((false, true, true), (Proves(none, Release), Proves(log, Release), Proves(stamper, Release)));
        Assert.Equal((false, false, true), (Proves(none, blind), Proves(log, blind), Proves(stamper, blind)));
        Assert.True(Proves(log, TestSigstore.Trusting()));
        Assert.False(Proves(log, TestSigstore.Trusting(tlog: TlogMode.Ignore)));
        Assert.False(new TrustOptions().ProvesTimes(Release));

        static bool Proves(TrustedRoot root, AuthorityOptions authority) => Trust(root).ProvesTimes(authority);
    }

    // The test's root without these lists.
    private static TrustedRoot RootWith(params string[] left)
    {
        var json = System.Text.Json.Nodes.JsonNode.Parse(Sigstore.RootJson())!.AsObject();
        foreach (var key in left) json.Remove(key);
        return TestSigstore.Read(json.ToJsonString());
    }

    private SignatureMaterial Signed()
    {
        var template = Sigstore.Sign(Logged.Nowhere);
        var signature = _key.SignData(template.SignedBytes.Span, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        return template with { Certificate = null, Signature = signature, Timestamped = signature };
    }

    private SignatureMaterial LoggedAt(SignatureMaterial material, params DateTimeOffset[] times)
    {
        var body = LogBodies.Rekord(
            material.SignedBytes.ToArray(), material.Signature.ToArray(), _key.ExportSubjectPublicKeyInfoPem() + "\n");
        return material with { LogEntries = [.. times.Select(at => Sigstore.Rekor.Append("hashedrekord", "0.0.1", body, at))] };
    }

    private static Checked Keyless(SignatureMaterial material) =>
        new SignatureVerifier(Trust()).Verify(TestSigstore.Trusting(), material, At.AddDays(9));

    private Checked ByKey(SignatureMaterial material, AuthorityOptions? authority = null, DateTimeOffset? retired = null)
    {
        var key = new KeyOptions(VerificationKey.FromSpki(_key.ExportSubjectPublicKeyInfo()).Key!) { RetiredAt = retired };
        var trust = Trust() with { Keys = ImmutableSortedDictionary<string, KeyOptions>.Empty.Add("k", key) };
        return new SignatureVerifier(trust).Verify(authority ?? Release, material, At.AddDays(9));
    }

    private static TrustOptions Trust(TrustedRoot? root = null) => new()
    {
        Keyless = ImmutableSortedDictionary<string, KeylessRootOptions>.Empty.Add("test", new(root ?? Sigstore.Root)),
    };
}
