using System.Security.Cryptography;
using System.Text;
using Gateway.Access;
using Gateway.Configuration;
using Microsoft.IdentityModel.Tokens;
using Xunit;

namespace Gateway.Tests.Access;

/// <summary>Tokens that are good somewhere, shown where they are not.</summary>
public sealed class TokenConfusionTests : IDisposable
{
    private const string OtherUrl = "https://other.example.com";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-tokens-");
    private readonly IssuerRig _rig = new();
    private readonly ECDsaSecurityKey _otherKey = IssuerRig.NewKey("first");

    public TokenConfusionTests()
    {
        var keys = Path.Combine(_folder.FullName, "other.json");
        File.WriteAllText(keys, IssuerRig.KeySet(_otherKey));
        var accounts = Path.Combine(_folder.FullName, "htpasswd");
        File.WriteAllText(accounts, AccessRig.Line("alice", "secret") + "\n");
        var options = _rig.Access.Options;
        _rig.Access.Control = _rig.Access.Control.With(options with
        {
            Htpasswd = accounts,
            Issuers = options.Issuers.Add("other", new() { Url = OtherUrl, Keys = keys, Audience = "other.example.com" }),
        });
    }

    public void Dispose()
    {
        _otherKey.ECDsa.Dispose();
        _rig.Dispose();
        _folder.Delete(recursive: true);
    }

    /// <summary>Both issuers are trusted, and their keys have the same id.</summary>
    [Fact]
    public async Task Key_and_audience_count_only_for_their_own_issuer()
    {
        var own = _rig.Sign(_otherKey, ("iss", OtherUrl), ("aud", "other.example.com"), ("sub", "x"));
        Assert.Equal("other:x", Assert.IsType<Identity.Known>(await AskAsync(own)).Actor);

        await AssertWrongAsync(_rig.Sign(_otherKey));
        await AssertWrongAsync(_rig.Sign(_otherKey, ("aud", "other.example.com")));
        await AssertWrongAsync(_rig.Sign(_otherKey, ("iss", OtherUrl)));
        await AssertWrongAsync(_rig.Token(("iss", OtherUrl), ("aud", "other.example.com")));
        await AssertWrongAsync(_rig.Token(("aud", "other.example.com")));
        await AssertWrongAsync(_rig.Token(("aud", Array.Empty<string>())));
        await AssertWrongAsync(_rig.Token(("aud", null)));
        await AssertWrongAsync(_rig.Token(("iss", null)));
        await AssertWrongAsync(_rig.Token(("iss", (string[])[IssuerRig.Url, OtherUrl])));
    }

    [Theory]
    [InlineData("none")]
    [InlineData("None")]
    [InlineData("nOnE")]
    [InlineData("")]
    [InlineData("ES256 ")]
    [InlineData("es256")]
    [InlineData("HS256")]
    [InlineData("ES512")]
    [InlineData("RS256")]
    [InlineData("PS256")]
    [InlineData("dir")]
    public async Task Algorithm_chosen_by_the_token_is_refused(string algorithm)
    {
        // The signature of nothing, of zeros (CVE-2022-21449), and the issuer's own for another header.
        var zeros = Base64UrlEncoder.Encode(new byte[64]);
        foreach (var signature in (string[])["", zeros, _rig.Token().Split('.')[2]])
            await AssertWrongAsync(_rig.Unsigned($$"""{"alg":"{{algorithm}}","kid":"first","typ":"JWT"}""", signature));
    }

    /// <summary>What is public of the issuer's key, in every form in which somebody may take it for a shared secret.</summary>
    [Fact]
    public async Task Public_key_is_not_accepted_as_an_HMAC_secret()
    {
        using var whole = ECDsa.Create();
        whole.ImportFromPem(Encoding.UTF8.GetString(_rig.PublicKey));
        byte[][] secrets =
        [
            _rig.PublicKey, Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(_rig.PublicKey) + "\n"), whole.ExportSubjectPublicKeyInfo(),
            whole.ExportParameters(includePrivateParameters: false).Q.X!, new byte[32],
        ];
        foreach (var secret in secrets)
        {
            await AssertWrongAsync(_rig.Sign(new SymmetricSecurityKey(secret) { KeyId = "first" }));
            await AssertWrongAsync(_rig.Sign(new SymmetricSecurityKey(secret)));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\nb")]
    [InlineData("a\0b")]
    [InlineData(null)]
    public async Task Claim_that_is_not_a_name_is_refused(string? subject) => await AssertWrongAsync(_rig.Token(("sub", subject)));

    [Theory]
    [InlineData("alice")]
    [InlineData("other:x")]
    [InlineData("cert:node-7")]
    [InlineData("*")]
    [InlineData("@builders")]
    [InlineData("anonymous")]
    public async Task Actor_always_has_the_issuers_prefix_regardless_of_the_claim(string subject) =>
        Assert.Equal($"ci:{subject}", Assert.IsType<Identity.Known>(await AskAsync(_rig.Token(("sub", subject)))).Actor);

    [Fact]
    public async Task Each_kind_of_token_is_accepted_only_for_its_own_use()
    {
        var basic = AccessRig.Basic("alice", "secret");
        var login = new TokenRequest { GrantType = "password", Username = "alice", Password = "secret", Offline = true };
        var grant = Assert.IsType<TokenAnswer.Issued>(await IssueAsync(null, login)).Grant;
        var (bearer, refresh) = (grant.Token, grant.RefreshToken!);
        Assert.Equal("alice", Assert.IsType<Identity.Known>(await AskAsync(bearer)).Actor);

        await AssertWrongAsync(refresh);
        Assert.IsType<Identity.Wrong>(await _rig.Access.IdentifyAsync(AccessRig.Basic("alice", refresh)));
        Assert.IsType<Identity.Wrong>(await _rig.Access.IdentifyAsync(AccessRig.Basic("alice", bearer)));
        Assert.IsType<Identity.Wrong>(await _rig.Access.IdentifyAsync($"{basic},Bearer {bearer}"));
        Assert.IsType<TokenAnswer.Refused>(await IssueAsync(null, Refresh(bearer)));
        Assert.IsType<TokenAnswer.Refused>(await IssueAsync(null, Refresh(_rig.Token())));
        Assert.IsType<TokenAnswer.Refused>(await IssueAsync($"Bearer {bearer}", new()));
        Assert.IsType<TokenAnswer.Refused>(await IssueAsync($"Bearer {refresh}", new()));

        // Another process has another key.
        using var another = new IssuerRig();
        Assert.IsType<Identity.Wrong>(await another.Access.IdentifyAsync($"Bearer {bearer}"));
        // What comes of a refresh token is no refresh token.
        Assert.Null(Assert.IsType<TokenAnswer.Issued>(await IssueAsync(null, Refresh(refresh))).Grant.RefreshToken);
        // The account ends, and all that it was given with it.
        _rig.Access.Control = _rig.Access.Control.With(_rig.Access.Options);
        await AssertWrongAsync(bearer);
        Assert.IsType<TokenAnswer.Refused>(await IssueAsync(null, Refresh(refresh)));
    }

    private static TokenRequest Refresh(string token) => new() { GrantType = "refresh_token", RefreshToken = token };

    private Task<TokenAnswer> IssueAsync(string? authorization, TokenRequest request) =>
        _rig.Access.Control.IssueTokenAsync(authorization, request, System.Net.IPAddress.Loopback, CancellationToken.None).AsTask();

    private Task<Identity> AskAsync(string token) => _rig.Access.IdentifyAsync($"Bearer {token}");

    private async Task AssertWrongAsync(string token) => Assert.IsType<Identity.Wrong>(await AskAsync(token));
}
