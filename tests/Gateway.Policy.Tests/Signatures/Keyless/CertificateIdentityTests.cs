using System.Collections.Immutable;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Keyless;

/// <summary>Identities that can sign: issuer and subject both, exactly or by a pattern from end to end, and the required claims.</summary>
public sealed class CertificateIdentityTests
{
    private static readonly TestSigstore Sigstore = TestSigstore.Shared;

    [Fact]
    public void Email_URI_and_sigstore_name_are_read_as_subjects()
    {
        const string email = "me@acme.example";
        Assert.Equal(email, Verify(new() { Uri = null, Email = email }, Subject(email)).Identity!.Subject);
        Assert.Equal(TestSigstore.Workflow, Verify(new(), Subject(TestSigstore.Workflow)).Identity!.Subject);
        Assert.Equal("me!acme", Verify(new() { Uri = null, OtherName = "me!acme" }, Subject("me!acme")).Identity!.Subject);
    }

    [Fact]
    public void Issuer_is_read_from_the_old_extension_when_the_new_one_is_empty()
    {
        var old = new LeafOptions { IssuerString = null, IssuerRaw = TestSigstore.Issuer };
        Assert.True(Verify(old, Subject(TestSigstore.Workflow)).Checked.IsTrusted);
        var both = new LeafOptions { IssuerRaw = "https://evil.example" };
        Assert.Equal(TestSigstore.Issuer, Verify(both, Subject(TestSigstore.Workflow)).Identity!.Issuer);
        var disguised = new LeafOptions { IssuerString = "https://evil.example", IssuerRaw = TestSigstore.Issuer };
        Refused("expected 'https://token.actions.githubusercontent.com'", disguised, Subject(TestSigstore.Workflow));
    }

    [Theory]
    [InlineData("https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2")]
    [InlineData("https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3 ")]
    [InlineData("https://github.com/ACME/app/.github/workflows/release.yml@refs/tags/v1.2.3")]
    [InlineData("github.com/acme")]
    [InlineData("")]
    public void Subject_must_match_from_end_to_end(string expected) =>
        Refused("signed by 'https://github.com/acme/app/", new(), Subject(expected));

    [Theory]
    [InlineData("https://token.actions.githubusercontent.com/")]
    [InlineData("token.actions.githubusercontent.com")]
    [InlineData("https://accounts.google.com")]
    public void Right_subject_of_another_issuer_does_not_count(string issuer) =>
        Refused($"expected '{issuer}'", new(), TestSigstore.Trusting(issuer: issuer));

    [Theory]
    [InlineData("https://github.com/acme/*/.github/workflows/release.yml@refs/tags/v*", true)]
    [InlineData("https://github.com/acme/**", true)]
    [InlineData("acme", false)]
    [InlineData("https://github.com/acme/*", false)]
    [InlineData("*release.yml*", false)]
    [InlineData("https://github.com/acme/*/.github/workflows/release.yml@refs/heads/*", false)]
    [InlineData(".*", false)]
    public void Subject_pattern_must_match_from_end_to_end(string pattern, bool matches) =>
        Assert.Equal(matches, Verify(new(), Pattern(pattern)).Checked.IsTrusted);

    [Theory]
    [InlineData("https://evil.example/?https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1")]
    [InlineData("https://github.com/acme.evil/app/.github/workflows/release.yml@refs/tags/v1")]
    [InlineData("https://github.com/acme/app/x/.github/workflows/release.yml@refs/tags/v1")]
    public void Subject_that_only_contains_or_resembles_the_expected_one_does_not_match(string subject) => Refused(
        "expected 'https://github.com/acme/*/", new() { Uri = subject },
        Pattern("https://github.com/acme/*/.github/workflows/release.yml@refs/tags/v*"));

    [Fact]
    public void Subject_and_pattern_must_both_match_and_without_both_no_signer_counts()
    {
        var authority = Pattern("https://github.com/acme/**");
        Refused("signed by", new(), authority with { Keyless = authority.Keyless! with { Subject = "another" } });
        Refused("signed by", new(), authority with { Keyless = new("test", TestSigstore.Issuer) });
    }

    [Theory]
    [InlineData("1.3.6.1.4.1.57264.1.11", "github-hosted", true)]
    [InlineData("1.3.6.1.4.1.57264.1.11", "self-hosted", false)]
    [InlineData("1.3.6.1.4.1.57264.1.12", "https://github.com/acme/app", false)]
    [InlineData("1.3.6.1.4.1.57264.1.110", "github-hosted", false)]
    public void Claim_that_is_absent_or_different_does_not_match(string oid, string value, bool holds)
    {
        var authority = Subject(TestSigstore.Workflow);
        var claims = ImmutableSortedDictionary<string, string>.Empty.Add(oid, value);
        var check = Verify(new(), authority with { Keyless = authority.Keyless! with { Claims = claims } }).Checked;
        Assert.Equal(holds, check.IsTrusted);
        if (!holds) Assert.Contains($"claim {oid} is ", check.Why);
    }

    [Fact]
    public void Subject_outside_the_alternative_name_is_ignored()
    {
        const string why = "must have exactly one subject alternative name";
        Refused(why, new() { Uri = null }, Subject(TestSigstore.Workflow));
        Refused(why, new() { Email = "me@acme.example" }, Subject("me@acme.example"));
        var windows = new LeafOptions { Uri = null, OtherName = TestSigstore.Workflow, OtherNameOid = "1.3.6.1.4.1.311.20.2.3" };
        Refused(why, windows, Subject(TestSigstore.Workflow));
        var claim = new LeafOptions { Uri = null, Claims = new() { ["1.3.6.1.4.1.57264.1.9"] = TestSigstore.Workflow } };
        Refused(why, claim, Subject(TestSigstore.Workflow));
    }

    [Fact]
    public void Certificate_without_an_issuer_is_refused() =>
        Refused("the certificate names no issuer", new() { IssuerString = null }, Subject(TestSigstore.Workflow));

    [Fact]
    public void Control_characters_of_a_certificate_are_not_printed()
    {
        var check = Verify(new() { Uri = null, OtherName = "me\u001b[2J\r\n" }, Subject("you")).Checked;
        Assert.Contains("me\\u001b[2J\\u000d\\u000a", check.Why);
    }

    private static AuthorityOptions Subject(string subject) => TestSigstore.Trusting(subject);

    private static AuthorityOptions Pattern(string pattern) =>
        new("gha") { Tlog = TlogMode.Require, Keyless = new("test", TestSigstore.Issuer) { SubjectPattern = pattern } };

    private static KeylessCheck Verify(LeafOptions leaf, AuthorityOptions authority) =>
        Sigstore.Verify(Sigstore.Sign(leaf: leaf), authority);

    private static void Refused(string why, LeafOptions leaf, AuthorityOptions authority)
    {
        var check = Verify(leaf, authority).Checked;
        Assert.Equal(ReasonCodes.SigNoTrusted, check.Code);
        Assert.Contains(why, check.Why);
    }
}
