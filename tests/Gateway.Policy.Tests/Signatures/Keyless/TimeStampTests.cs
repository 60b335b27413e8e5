using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Keyless;

/// <summary>RFC 3161 time stamps: by a pinned time stamper, over this signature, within the validity of its certificate and pin.</summary>
public sealed class TimeStampTests
{
    private static readonly TestSigstore Sigstore = TestSigstore.Shared;
    private static readonly byte[] Content = "a signature"u8.ToArray();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Time_stamp_counts_with_and_without_its_certificate_inside(bool embed)
    {
        var (time, by, why) = Verify(Sigstore.Stamper.Stamp(Content, TestSigstore.Signed, embed));
        Assert.Null(why);
        Assert.Equal(TestSigstore.Signed, time);
        Assert.Equal("https://stamp.test.example", by!.Uri);
    }

    [Fact]
    public void Time_stamper_can_be_pinned_by_its_root_when_stamps_contain_the_certificate()
    {
        var root = Pinning(Sigstore.Stamper.Root.RawData);
        Assert.NotNull(Verify(Sigstore.Stamper.Stamp(Content, TestSigstore.Signed), root: root).Time);
        Assert.Null(Verify(Sigstore.Stamper.Stamp(Content, TestSigstore.Signed, embed: false), root: root).Time);
    }

    [Fact]
    public void Time_stamp_over_other_bytes_is_refused() =>
        Refused("is not over this signature", Sigstore.Stamper.Stamp("other"u8.ToArray(), TestSigstore.Signed));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Time_stamp_by_an_unknown_stamper_is_refused_whatever_certificate_it_contains(bool embed)
    {
        var stranger = new TestStamper(TestSigstore.Issued.AddYears(-1), TimeSpan.FromDays(3650));
        var why = embed ? "by another certificate" : "not by 'https://stamp.test.example'";
        Refused(why, stranger.Stamp(Content, TestSigstore.Signed, embed));
        var rootOnly = Pinning(Sigstore.Stamper.Root.RawData);
        Assert.Null(Verify(stranger.Stamp(Content, TestSigstore.Signed, embed), root: rootOnly).Time);
    }

    [Fact]
    public void Another_certificate_of_the_same_root_does_not_replace_the_pinned_one()
    {
        var other = new TestStamper(TestSigstore.Issued.AddYears(-1), TimeSpan.FromDays(400), root: Sigstore.Stamper.Root);
        Refused("by another certificate", other.Stamp(Content, TestSigstore.Signed));
        Assert.NotNull(Verify(other.Stamp(Content, TestSigstore.Signed), root: Pinning(Sigstore.Stamper.Root.RawData)).Time);
    }

    [Theory]
    [InlineData("1.3.6.1.5.5.7.3.3")]
    [InlineData("1.3.6.1.5.5.7.3.1")]
    public void Certificate_without_the_time_stamping_usage_is_refused(string usage)
    {
        var signer = new TestStamper(TestSigstore.Issued.AddYears(-1), TimeSpan.FromDays(3650), usages: [usage]);
        var root = Pinning(signer.Certificate.RawData, signer.Root.RawData);
        Assert.Null(Verify(signer.Stamp(Content, TestSigstore.Signed), root: root).Time);
    }

    [Fact]
    public void Other_certificates_in_a_time_stamp_are_not_checked_in_place_of_its_own()
    {
        var root = Pinning(Sigstore.Stamper.Root.RawData);
        var coder = new TestStamper(
            TestSigstore.Issued.AddYears(-1), TimeSpan.FromDays(400), [Certificates.CodeSigning], Sigstore.Stamper.Root);
        var stranger = new TestStamper(TestSigstore.Issued.AddYears(-1), TimeSpan.FromDays(400));

        Assert.Null(Verify(coder.Stamp(Content, TestSigstore.Signed, also: Sigstore.Stamper.Certificate), root: root).Time);
        Assert.Null(Verify(stranger.Stamp(Content, TestSigstore.Signed, also: Sigstore.Stamper.Certificate), root: root).Time);
        Assert.NotNull(Verify(Sigstore.Stamper.Stamp(Content, TestSigstore.Signed, also: stranger.Certificate), root: root).Time);
    }

    [Fact]
    public void Time_stamp_outside_the_validity_of_its_certificate_is_refused()
    {
        var brief = new TestStamper(TestSigstore.Issued.AddDays(-2), TimeSpan.FromDays(1));
        var root = Pinning(brief.Certificate.RawData, brief.Root.RawData);
        Assert.NotNull(Verify(brief.Stamp(Content, TestSigstore.Issued.AddDays(-1.5)), root: root).Time);
        Assert.Null(Verify(brief.Stamp(Content, TestSigstore.Signed), root: root).Time);
        Assert.Null(Verify(brief.Stamp(Content, TestSigstore.Signed, embed: false), root: root).Time);
    }

    [Fact]
    public void Time_stamp_outside_the_validity_of_the_pin_is_refused_and_its_last_moment_counts()
    {
        var root = Sigstore.Root;
        TrustedRoot Until(DateTimeOffset end) => root with
        {
            TimestampAuthorities = [root.TimestampAuthorities[0] with { ValidFor = new(TestSigstore.Issued, end) }],
        };
        var stamp = Sigstore.Stamper.Stamp(Content, TestSigstore.Signed);
        Assert.NotNull(Verify(stamp, root: Until(TestSigstore.Signed)).Time);
        Assert.Contains("is trusted from", Verify(stamp, root: Until(TestSigstore.Signed.AddSeconds(-1))).Why);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(2, false)]
    [InlineData(-1, false)]
    public void Only_granted_responses_count(int status, bool counts) =>
        Assert.Equal(counts, Verify(Sigstore.Stamper.Stamp(Content, TestSigstore.Signed, status: status)).Time is not null);

    [Fact]
    public void SHA_1_is_refused() =>
        Refused("the time stamp is over a hash of 1.3.14.3.2.26", Sigstore.Stamper.Stamp(Content, TestSigstore.Signed, sha1: true));

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("3000")]
    [InlineData("30053003020100")]
    [InlineData("ffffffffff")]
    public void Malformed_time_stamp_is_refused_without_an_exception(string hex) => Assert.NotNull(Verify(Convert.FromHexString(hex)).Why);

    [Fact]
    public void Root_without_time_stampers_is_reported() =>
        Assert.Equal(
            "the trusted root names no time stamper",
            Verify(Sigstore.Stamper.Stamp(Content, TestSigstore.Signed), root: Sigstore.Root with { TimestampAuthorities = [] }).Why);

    [Fact]
    public void Time_stamp_with_trailing_bytes_is_refused() =>
        Assert.Null(Verify([.. Sigstore.Stamper.Stamp(Content, TestSigstore.Signed), 0]).Time);

    [Fact]
    public void Bad_time_stamp_is_ignored_and_two_of_one_stamper_count_once()
    {
        var material = Sigstore.Sign(Logged.Rekord2);
        var bad = Sigstore.Stamper.Stamp("other"u8.ToArray(), TestSigstore.Signed.AddHours(5));
        Assert.True(Sigstore.Verify(material with { Timestamps = [bad, .. material.Timestamps] }).Checked.IsTrusted);
        Assert.True(Sigstore.Verify(material with { Timestamps = [.. material.Timestamps, .. material.Timestamps] }).Checked.IsTrusted);
        var many = material with { Timestamps = [.. Enumerable.Repeat(material.Timestamps[0], 33)] };
        Assert.Equal("33 time stamps, expected at most 32", Sigstore.Verify(many).Checked.Why);
    }

    private static (DateTimeOffset? Time, PinnedAuthority? By, string? Why) Verify(byte[] stamp, TrustedRoot? root = null) =>
        TimeStamp.Verify(stamp, Content, root ?? Sigstore.Root);

    private static void Refused(string why, byte[] stamp)
    {
        var (time, _, found) = Verify(stamp);
        Assert.Null(time);
        Assert.Contains(why, found);
    }

    private static TrustedRoot Pinning(params byte[][] chain)
    {
        var root = Sigstore.Root;
        var authority = root.TimestampAuthorities[0] with { Certificates = [.. chain.Select(c => (ReadOnlyMemory<byte>)c)] };
        return root with { TimestampAuthorities = [authority] };
    }
}
