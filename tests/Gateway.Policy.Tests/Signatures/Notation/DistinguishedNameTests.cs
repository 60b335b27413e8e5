using Gateway.Policy.Signatures.Notation;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Notation;

/// <summary>Names are read by RFC 4514 and compared attribute by attribute.</summary>
public sealed class DistinguishedNameTests
{
    [Theory]
    [InlineData("C=US, ST=WA, O=acme", "C=US, O=acme, ST=WA")]
    [InlineData(" C=US,ST=WA;O=acme", "C=US, O=acme, ST=WA")]
    [InlineData("c=US, s=WA, o=acme, cn=x", "C=US, CN=x, O=acme, ST=WA")]
    [InlineData(@"C=US, ST=WA, O=acme\, inc.", "C=US, O=acme, inc., ST=WA")]
    [InlineData(@"C=US, ST=WA, O=\ acme\ ", "C=US, O= acme , ST=WA")]
    [InlineData(@"C=US, ST=WA, O=L\75\C4\8di\C4\87", "C=US, O=Lučić, ST=WA")]
    [InlineData("C=US, ST=WA, O=a = b", "C=US, O=a = b, ST=WA")]
    public void Name_is_read(string text, string expected) => Assert.Equal(expected, DistinguishedName.Parse(text).Name!.ToString());

    [Theory]
    [InlineData("", "NAME=value")]
    [InlineData("C=US, ST=WA", "no O")]
    [InlineData("C=US, O=acme", "no ST")]
    [InlineData("C=US, ST=WA, O=acme,", "NAME=value")]
    [InlineData("C=US, ST=WA, O=", "a value for O")]
    [InlineData("C=US, ST=WA, O=a, O=b", "O once")]
    [InlineData("C=US, ST=WA, S=WA, O=a", "ST once")]
    [InlineData("C=US, ST=WA, O=a+OU=b", "joined by +")]
    [InlineData("C=US, ST=WA, O=#0401", "RFC 4514")]
    [InlineData("C=US, ST=WA, O=\"a\"", "RFC 4514")]
    [InlineData("C=US, ST=WA, O=a\\", "RFC 4514")]
    [InlineData("C=US, ST=WA, O=\\xx", "RFC 4514")]
    [InlineData("C=US, ST=WA, O=\\C4", "RFC 4514")]
    [InlineData("C=US, ST=WA, O=a, MAIL=x", "'MAIL'")]
    [InlineData("C, ST=WA, O=a", "'C, ST'")]
    public void Ambiguous_name_is_refused(string text, string why) =>
        Assert.Contains(why, DistinguishedName.Parse(text).Problem, StringComparison.Ordinal);

    [Theory]
    [InlineData("C=US, ST=WA, O=acme", true)]
    [InlineData("C=US, ST=WA, O=acme, CN=x", true)]
    [InlineData("C=US, ST=WA, O=acme, CN=x y", false)]
    [InlineData("C=US, ST=WA, O=Acme", false)]
    [InlineData("C=US, ST=WA, O=acme, OU=z", false)]
    public void Name_matches_another_that_has_all_its_attributes(string text, bool isPart)
    {
        var whole = DistinguishedName.Parse("CN=x, O=acme, ST=WA, C=US, L=Seattle").Name!;

        Assert.Equal(isPart, DistinguishedName.Parse(text).Name!.IsPartOf(whole));
    }
}
