using System.Net;
using System.Security.Cryptography;
using System.Text;
using Gateway.Access;
using Gateway.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Gateway.Fuzz.Targets;

/// <summary>
/// Identity tokens. Three lines: header, payload and what stands for the signature; the word <c>signed</c> there is a true signature over
/// whatever the payload has become, so that changes reach what is behind it. One line is a token as it is.
/// </summary>
public sealed class IdentityTokenTarget : FuzzTarget, IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-fuzz-");
    private readonly ECDsaSecurityKey _key = new(ECDsa.Create(ECCurve.NamedCurves.nistP256)) { KeyId = "k" };
    private readonly AccessControl _access;

    public IdentityTokenTarget()
    {
        var keys = Path.Combine(_folder.FullName, "keys.json");
        var q = _key.ECDsa.ExportParameters(includePrivateParameters: false).Q;
        var (x, y) = (Base64UrlEncoder.Encode(q.X), Base64UrlEncoder.Encode(q.Y));
        File.WriteAllText(keys, $$"""{"keys":[{"kty":"EC","crv":"P-256","use":"sig","kid":"k","x":"{{x}}","y":"{{y}}"}]}""");
        var issuer = new IssuerOptions { Url = "https://ci.example.com", Keys = keys, Audience = "registry", Groups = "groups" };
        var options = new AccessOptions { Rules = [new(["@ci:a"], ["**"], AccessActions.Pull)] };
        options = options with { Issuers = options.Issuers.Add("ci", issuer) };
        _access = new(options, TimeProvider.System, NullLogger<AccessControl>.Instance);
    }

    public void Dispose()
    {
        _key.ECDsa.Dispose();
        _folder.Delete(recursive: true);
    }

    protected override string[] Words =>
    [
        "\"alg\":\"none\"", "\"alg\":\"HS256\"", "\"exp\":1e99", "\"exp\":\"1\"", "\"aud\":[\"registry\",1]", "\"iss\":null",
        "\"zip\":\"DEF\"", "\"crit\":[\"x\"]", "\"sub\":{}", "\"cty\":\"JWT\"", "\nsigned"
    ];

    protected override string Try(byte[] input)
    {
        var lines = TextOf(input).Split('\n');
        var isSigned = lines.Length == 3 && lines[2] == "signed";
        var token = lines.Length == 3 ? Make(lines, isSigned) : lines[0];
        var identity = _access.IdentifyAsync($"Bearer {token}", IPAddress.Loopback, null, default).AsTask().GetAwaiter().GetResult();
        if (identity is not Identity.Known who) return (identity as Identity.Wrong)?.Reason.Split(", got")[0] ?? "nobody";
        Assert.True(isSigned, $"{who.Actor} without a signature");
        Assert.StartsWith("ci:", who.Actor, StringComparison.Ordinal);
        Assert.DoesNotContain(who.Actor, char.IsControl);
        return $"known {who.Groups.Length}";
    }

    private string Make(string[] lines, bool isSigned)
    {
        var signed = $"{Base64UrlEncoder.Encode(lines[0])}.{Base64UrlEncoder.Encode(lines[1])}";
        if (!isSigned) return $"{signed}.{lines[2]}";
        return $"{signed}.{Base64UrlEncoder.Encode(_key.ECDsa.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256))}";
    }
}

/// <summary>Key sets of issuers, from a file.</summary>
public sealed class KeySetTarget : FuzzTarget, IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-fuzz-");

    public void Dispose() => _folder.Delete(recursive: true);

    protected override string[] Words =>
    [
        "\"kty\":\"EC\"", "\"kty\":\"oct\"", "\"x5c\":[\"MII\"]", "\"crv\":\"P-521\"", "\"n\":\"\"", "\"e\":\"\"", "\"use\":\"enc\"",
        "\"keys\":{}"
    ];

    protected override string Try(byte[] input)
    {
        var path = Path.Combine(_folder.FullName, "keys.json");
        File.WriteAllBytes(path, input);
        var issuer = new IssuerOptions { Url = "https://x", Keys = path, Audience = "a" };
        using var keys = new IssuerKeys(issuer, TimeProvider.System, NullLogger.Instance);
        var read = keys.GetAsync(null, default).AsTask().GetAwaiter().GetResult();
        return string.Join(' ', read.Select(key => key.GetType().Name));
    }
}

/// <summary>Our own tokens: nobody but this process makes one that is read.</summary>
public sealed class OwnTokenTarget : FuzzTarget
{
    private static readonly TokenSigner Signer = new(TimeProvider.System);
    private static readonly string Good = Signer.Make(TokenUse.Bearer, new Identity.Known("ci") { Groups = ["@a"] }, "hash");

    protected override IEnumerable<byte[]> Inputs => Texts(Good, Signer.Make(TokenUse.Refresh, null, null), "AQ");

    protected override string Try(byte[] input)
    {
        var text = HeaderOf(input);
        var identity = Signer.Read(text, TokenUse.Bearer, static _ => "hash");
        if (identity is null) return "none";
        Assert.Equal("ci", Assert.IsType<Identity.Known>(identity).Actor);
        // Another spelling of the same bytes is the same token; other bytes are none.
        Assert.Equal(System.Buffers.Text.Base64Url.DecodeFromChars(Good), System.Buffers.Text.Base64Url.DecodeFromChars(text));
        return "ours";
    }
}

/// <summary>htpasswd files.</summary>
public sealed class HtpasswdTarget : FuzzTarget, IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-fuzz-");

    public void Dispose() => _folder.Delete(recursive: true);

    protected override string[] Words => ["$2y$05$", "$2b$17$", "$apr1$", ":", "\n", "ci:", "*:"];

    protected override string Try(byte[] input)
    {
        var path = Path.Combine(_folder.FullName, "htpasswd");
        File.WriteAllBytes(path, input);
        var file = new HtpasswdFile(path, TimeProvider.System, NullLogger.Instance);
        Assert.InRange(Bcrypt.CostOf(file.Decoy) ?? 0, Bcrypt.LeastCost, Bcrypt.MostCost);
        Assert.Null(file.HashOf("anonymous"));
        Assert.Null(file.HashOf("*"));
        if (file.HashOf("ci") is not { } hash) return "unknown";
        Assert.NotNull(Bcrypt.CostOf(hash));
        return "known";
    }
}
