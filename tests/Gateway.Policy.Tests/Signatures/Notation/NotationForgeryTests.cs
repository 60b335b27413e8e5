using System.Buffers.Text;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Notation;
using Xunit;
using static Gateway.Policy.Tests.Signatures.Notation.TestNotary;

namespace Gateway.Policy.Tests.Signatures.Notation;

/// <summary>A signature with one fault is refused for that fault; without it, the same test admits the signature.</summary>
public sealed class NotationForgeryTests
{
    private static readonly TestNotary Notary = new();
    private static readonly TestNotary Stranger = new();

    // The forged part: the evidence, and the trust.
    private sealed record Forged(Evidence Evidence, TrustOptions Trust, string Code, string Why);

    private static readonly ImmutableSortedDictionary<string, Func<Forged>> Forgeries = new Dictionary<string, Func<Forged>>
    {
        ["payload of another subject"] = () => Signed(ReasonCodes.SigWrongDigest, "expected a signature of", payload: Payload(Forge.Other)),
        ["payload of another size"] = () => Signed(ReasonCodes.SigWrongDigest, "1235 bytes", payload: Payload(size: 1235)),
        ["payload of another type"] = () => Signed(ReasonCodes.SigWrongDigest, "image.index", payload: Payload(type: MediaTypes.OciIndex)),
        ["payload without target"] = () => Signed(ReasonCodes.SigBad, "targetArtifact", payload: new() { ["targetartifact2"] = 1 }),
        ["payload with two targets"] = () => Resigned(ReasonCodes.SigBad, "twice", payload: Twice(Payload())),
        ["manifest about another subject"] = () => Around(
            ReasonCodes.SigWrongDigest, "expected a signature of", m => m with { Subject = m.Subject! with { Digest = Forge.Other } }),
        ["signature of another manifest under its own"] = () => Made(
            ReasonCodes.SigWrongDigest, "expected a signature of", Evidence(
                Notary.Envelope(payload: Payload(Forge.Other)), m => m with { Subject = m.Subject! with { Digest = Forge.Other } })),
        ["manifest without subject"] = () => Around(
            ReasonCodes.SigWrongDigest, "expected a signature of a subject", m => m with { Subject = null }),
        ["manifest of another type"] = () => Around(
            ReasonCodes.SigBad, "application/vnd.cncf.notary.signature", m => m with { ArtifactType = "application/vnd.example" }),
        ["manifest of two layers"] = () => Around(
            ReasonCodes.SigBad, "with one layer", m => m with { Layers = [m.Layers[0], m.Layers[0]] }),
        ["no thumbprints"] = () => Around(ReasonCodes.SigBad, "got none", m => m with { Annotations = m.Annotations.Clear() }),
        ["thumbprints of another chain"] = () => Made(
            ReasonCodes.SigBad, "to name the 3 certificates", Evidence(Bytes(Notary.Envelope()), ThumbprintsOf(Stranger.Envelope()))),
        ["thumbprints in another order"] = () => Made(
            ReasonCodes.SigBad, "in their order", Evidence(Bytes(Notary.Envelope()), Reversed(ThumbprintsOf(Notary.Envelope())))),
        ["changed payload"] = () => Changed("is not over this content", e => e["payload"] = Encode(Payload().ToJsonString() + " ")),
        ["changed header"] = () => Changed("is not over this content", e => e["protected"] = Encode(Headers().ToJsonString() + " ")),
        ["signature of another envelope"] = () => Changed(
            "is not over this content", e => e["signature"] = Base64Url.EncodeToString(Notary.Sign([1]))),
        ["signature in DER"] = () => Changed("is not over this content", e => e["signature"] = Base64Url.EncodeToString(Der(e))),
        ["no signature"] = () => Changed("signature: expected", e => e["signature"] = ""),
        ["signature by an untrusted key"] = () => Made(
            ReasonCodes.SigBad, "is not over this content",
            Evidence(Stranger.Envelope(null, null, Notary.Leaf, Notary.Between, Notary.Root))),
        ["payload with padding"] = () => Changed("base64url", e => e["payload"] = (string)e["payload"]! + "="),
        ["payload with a line end"] = () => Changed("base64url", e => e["payload"] = (string)e["payload"]! + "\n"),
        ["payload in standard base64"] = () => Changed("base64url", e => e["payload"] = "+/+/"),
        ["additional member"] = () => Changed("nothing else", e => e["signatures"] = new JsonArray()),
        ["no header"] = () => Made(ReasonCodes.SigBad, "header with x5c", Evidence(Without("header"), ThumbprintsOf(Notary.Envelope()))),
        ["empty chain"] = () => Changed("header with x5c", e => e["header"]!["x5c"] = new JsonArray()),
        ["eleven certificates"] = () => Chain("at most 10", [.. Enumerable.Repeat(Notary.Leaf, 11)]),
        ["no certificate"] = () => Changed("expected only certificates in DER", e => e["header"]!["x5c"]![0] = "AAAA"),
        ["certificate with bytes after it"] = () => Changed("expected only certificates in DER", e =>
            e["header"]!["x5c"]![0] = Convert.ToBase64String([.. Notary.Leaf.RawData, 0])),
        ["truncated envelope"] = () => Made(
            ReasonCodes.SigBad, "JSON", Evidence(Bytes(Notary.Envelope())[..^1], ThumbprintsOf(Notary.Envelope()))),
        ["two payloads"] = () => Made(ReasonCodes.SigBad, "twice", Evidence(
            Encoding.UTF8.GetBytes(Twice(Notary.Envelope())), ThumbprintsOf(Notary.Envelope()))),
        ["alg none"] = () => Headed("alg: expected one of", h => h["alg"] = "none"),
        ["alg HS256 by the public key"] = () => Made(ReasonCodes.SigBad, "'HS256'", Evidence(Hmac())),
        ["alg RS256"] = () => Headed("'RS256'", h => h["alg"] = "RS256"),
        ["alg of a larger key"] = () => Headed("alg: expected ES256 of the key, got ES384", h => h["alg"] = "ES384"),
        ["alg of another kind of key"] = () => Headed("got PS256", h => h["alg"] = "PS256"),
        ["no alg"] = () => Headed("alg: expected one of", h => h.Remove("alg")),
        ["alg twice"] = () => Resigned(ReasonCodes.SigBad, "twice", headers: Twice(Headers())),
        ["alg in capitals too"] = () => Headed("unknown to others", h => h["ALG"] = "none"),
        ["other content type"] = () => Headed("cty: expected", h => h["cty"] = "application/json"),
        ["unknown critical header"] = () => Headed("'com.example.must'", h =>
        {
            h["com.example.must"] = "x";
            h["crit"]!.AsArray().Add("com.example.must");
        }),
        ["absent critical header"] = () => Headed($"'{Expiry}'", h => h["crit"]!.AsArray().Add(Expiry)),
        ["registered header as critical"] = () => Headed("'alg'", h => h["crit"]!.AsArray().Add("alg")),
        ["critical header twice"] = () => Headed("got it twice", h => h["crit"]!.AsArray().Add(Scheme)),
        ["scheme that is not critical"] = () => Headed($"expected {Scheme} to be marked critical", h => h["crit"] = new JsonArray()),
        ["expiry that is not critical"] = () => Headed(
            $"expected {Expiry} to be marked critical", h => h[Expiry] = Text(Forge.Now.AddDays(1))),
        ["unknown scheme"] = () => Headed("'notary.x510'", h => h[Scheme] = "notary.x510"),
        ["no signing time"] = () => Headed("no other signing time", h => h.Remove(Time)),
        ["two signing times"] = () => Headed("no other signing time", h => h[AuthenticTime] = Text(Forge.Now)),
        ["malformed signing time"] = () => Headed("expected a moment", h => h[Time] = "yesterday"),
        ["expiry before signing"] = () => Headed("after the signing time", h =>
            (h[Expiry], h["crit"]) = (Text(Forge.Now.AddDays(-1)), new JsonArray(Scheme, Expiry))),
        ["expired"] = () => Signed(ReasonCodes.SigTimeInvalid, "the signature expired", Expiring(Forge.Now)),
        ["plug-in"] = () => Signed(ReasonCodes.SigNoTrusted, "plug-in", With(h => h["io.cncf.notary.verificationPlugin"] = "x")),
        ["critical plug-in of some version"] = () => Signed(ReasonCodes.SigNoTrusted, "plug-in", With(h =>
        {
            h["io.cncf.notary.verificationPluginMinVersion"] = "1.0.0";
            h["crit"]!.AsArray().Add("io.cncf.notary.verificationPluginMinVersion");
        })),
        ["signing authority that is only a ca"] = () => Signed(
            ReasonCodes.SigNoTrusted, "no certificate under signingAuthority", HeadersOfAuthority(Forge.Now)),
        ["untrusted chain"] = () => Made(ReasonCodes.SigNoTrusted, "no certificate under ca", Evidence(Stranger.Envelope())),
        ["out of order"] = () => Chain("another issuer than 'CN=root", Notary.Leaf, Notary.Root, Notary.Between),
        ["root first"] = () => Chain("key", Notary.Root, Notary.Between, Notary.Leaf),
        ["no intermediate"] = () => Chain("names another issuer", Notary.Leaf, Notary.Root),
        ["no root"] = () => Chain("names another issuer", Notary.Leaf, Notary.Between),
        ["leaf alone"] = () => Chain("names another issuer", Notary.Leaf),
        ["unrelated certificate after the root"] = () => Chain(
            "names another issuer", Notary.Leaf, Notary.Between, Notary.Root, Stranger.Between),
        ["root twice"] = () => Chain("self-signed before the end", Notary.Leaf, Notary.Between, Notary.Root, Notary.Root),
        ["intermediate of the same name"] = () => Chain("is not signed by", Notary.Leaf, Stranger.Between, Stranger.Root),
        ["root of the same name"] = () => Chain("is not signed by", Notary.Leaf, Notary.Between, Stranger.Root),
        ["other organization"] = () => Of(
            ReasonCodes.SigNoTrusted, "expected a signature by 'C=US, O=acme.example, ST=WA'", new() { Subject = "C=US, ST=WA, O=evil" }),
        ["organization in other case"] = () => Of(
            ReasonCodes.SigNoTrusted, "expected a signature by", new() { Subject = "C=US, ST=WA, O=Acme.example" }),
        ["subject without state"] = () => Of(ReasonCodes.SigNoTrusted, "no ST", new() { Subject = "C=US, O=acme.example" }),
        ["two organizations"] = () => Of(ReasonCodes.SigNoTrusted, "twice", new() { Subject = "C=US, ST=WA, O=acme.example, O=evil" }),
        ["expired certificate"] = () => Of(ReasonCodes.SigTimeInvalid, "is valid from", new() { NotAfter = Forge.Now }),
        ["certificate that is not valid yet"] = () => Of(
            ReasonCodes.SigTimeInvalid, "is valid from", new() { NotBefore = Forge.Now.AddSeconds(1) }),
        ["no key usage"] = () => Of(ReasonCodes.SigBad, "critical key usage", new() { Usage = null }),
        ["key usage that is not critical"] = () => Of(ReasonCodes.SigBad, "critical key usage", new() { UsageIsCritical = false }),
        ["key usage of another kind"] = () => Of(
            ReasonCodes.SigBad, "digitalSignature", new() { Usage = X509KeyUsageFlags.NonRepudiation }),
        ["key that also enciphers"] = () => Of(
            ReasonCodes.SigBad, "KeyEncipherment",
            new() { Usage = X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyEncipherment }),
        ["key that also signs certificates"] = () => Of(
            ReasonCodes.SigBad, "KeyCertSign", new() { Usage = X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign }),
        ["certificate of a server"] = () => Of(ReasonCodes.SigBad, "1.3.6.1.5.5.7.3.1", new() { Purposes = ["1.3.6.1.5.5.7.3.1"] }),
        ["certificate of a time stamper"] = () => Of(ReasonCodes.SigBad, "1.3.6.1.5.5.7.3.8", new() { Purposes = ["1.3.6.1.5.5.7.3.8"] }),
        ["certificate for any purpose"] = () => Of(
            ReasonCodes.SigBad, "2.5.29.37.0", new() { Purposes = ["1.3.6.1.5.5.7.3.3", "2.5.29.37.0"] }),
        ["authority as signer"] = () => Of(ReasonCodes.SigBad, "an authority's", new() { LeafIsAuthority = true }),
        ["intermediate that is not an authority"] = () => Of(ReasonCodes.SigBad, "no authority's", new() { BetweenIsAuthority = false }),
        ["intermediate without critical constraints"] = () => Of(ReasonCodes.SigBad, "no authority's", new() { BetweenIsCritical = false }),
        ["intermediate without keyCertSign"] = () => Of(
            ReasonCodes.SigBad, "keyCertSign", new() { BetweenUsage = X509KeyUsageFlags.CrlSign }),
        ["path that is too long"] = () => Of(ReasonCodes.SigBad, "allows 0 authorities", new() { RootPathLength = 0 }),
        ["chain signed with SHA-1"] = () => Of(ReasonCodes.SigBad, "1.2.840.10045.4.1", new() { WithSha1 = true }),
        ["RSA of 1024 bits"] = () => Of(ReasonCodes.SigBad, "1024", new() { Key = RSA.Create(1024) }),
        ["curve secp256k1"] = () => Of(
            ReasonCodes.SigBad, "another curve", new() { Key = ECDsa.Create(ECCurve.CreateFromValue("1.3.132.0.10")) }),
        ["certificate that names a revocation service"] = () => Of(
            ReasonCodes.SigNoTrusted, "names a revocation service", new() { NamesCrl = true }),
        ["revoked leaf"] = () => Revoked(Notary.Leaf),
        ["revoked intermediate"] = () => Revoked(Notary.Between),
        ["revoked leaf with the other signature of its issuer"] = () => Revoked(Notary.Leaf, Remade.OtherSignature(Notary.Leaf)),
        ["certificate of two algorithms"] = () => Chain(
            "two signature algorithms", Remade.OtherAlgorithm(Notary.Leaf), Notary.Between, Notary.Root),
    }.ToImmutableSortedDictionary();

    public static TheoryData<string> Names => [.. Forgeries.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Each_forgery_is_refused_for_its_own_reason(string name)
    {
        var honest = Forge.Ask(Notary.Trust(), Evidence(Notary.Envelope()));
        Assert.True(honest.IsSatisfied, honest.Why);

        var forged = Forgeries[name]();
        var check = Forge.Ask(forged.Trust, forged.Evidence);

        Assert.False(check.IsSatisfied, check.Why);
        var finding = check.Findings[0].Result;
        Assert.Equal(forged.Code, finding.Code);
        Assert.Contains(forged.Why, finding.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Genuine_signature_is_admitted_beside_any_forgery()
    {
        var forged = Forgeries.Values.Select(static make => make().Evidence).Take(EvidenceBudget.MaxManifests - 1);

        var check = Forge.Ask(Notary.Trust(), [.. forged, Evidence(Notary.Envelope())]);

        Assert.True(check.IsSatisfied, check.Why);
    }

    private static Forged Made(string code, string why, Evidence evidence) => new(evidence, Notary.Trust(), code, why);

    private static Forged Signed(string code, string why, JsonObject? headers = null, JsonObject? payload = null) =>
        Made(code, why, Evidence(Notary.Envelope(headers, payload)));

    private static Forged Headed(string why, Action<JsonObject> change) => Signed(ReasonCodes.SigBad, why, With(change));

    private static Forged Around(string code, string why, Func<Manifest, Manifest> change) =>
        Made(code, why, Evidence(Notary.Envelope(), change));

    private static Forged Chain(string why, params X509Certificate2[] chain) =>
        Made(ReasonCodes.SigBad, why, Evidence(Notary.Envelope(null, null, chain)));

    private static Forged Changed(string why, Action<JsonObject> change)
    {
        var envelope = Notary.Envelope();
        change(envelope);
        return Made(ReasonCodes.SigBad, why, Evidence(envelope));
    }

    // Another chain, whose root is trusted.
    private static Forged Of(string code, string why, NotaryOptions options)
    {
        var notary = new TestNotary(options);
        var headers = Headers();
        if (options.Key is RSA) headers["alg"] = "PS256";
        return new(Evidence(notary.Envelope(headers)), notary.Trust(), code, why);
    }

    private static Forged Revoked(X509Certificate2 certificate, X509Certificate2? leaf = null)
    {
        var hex = Convert.ToHexStringLower(SHA256.HashData(certificate.RawData));
        return new(
            Evidence(Notary.Envelope(null, null, leaf ?? Notary.Leaf, Notary.Between, Notary.Root)),
            Notary.Trust(store: Notary.Store with { Revoked = [hex] }), ReasonCodes.SigKeyRevoked, "is listed as revoked");
    }

    // Signed as written, because JSON objects of .NET cannot contain a key twice.
    private static Forged Resigned(string code, string why, string? headers = null, string? payload = null)
    {
        var (first, second) = (Encode(headers ?? Headers().ToJsonString()), Encode(payload ?? Payload().ToJsonString()));
        var envelope = Notary.Envelope();
        (envelope["protected"], envelope["payload"]) = (first, second);
        envelope["signature"] = Base64Url.EncodeToString(Notary.Sign(Encoding.ASCII.GetBytes($"{first}.{second}")));
        return Made(code, why, Evidence(envelope));
    }

    private static JsonObject With(Action<JsonObject> change)
    {
        var headers = Headers();
        change(headers);
        return headers;
    }

    private static JsonObject Expiring(DateTimeOffset at) => With(h => (h[Expiry], h["crit"]) = (Text(at), new JsonArray(Scheme, Expiry)));

    // Repeats the first member.
    private static string Twice(JsonObject json)
    {
        var (key, value) = json.First();
        return json.ToJsonString()[..^1] + $",\"{key}\":{value!.ToJsonString()}}}";
    }

    private static string Reversed(string list) =>
        new JsonArray([.. JsonNode.Parse(list)!.AsArray().Reverse().Select(static one => one!.DeepClone())]).ToJsonString();

    private static byte[] Bytes(JsonObject json) => Encoding.UTF8.GetBytes(json.ToJsonString());

    private static byte[] Without(string key)
    {
        var envelope = Notary.Envelope();
        envelope.Remove(key);
        return Bytes(envelope);
    }

    private static byte[] Der(JsonObject envelope) => ((ECDsa)Notary.Key).SignData(
        Encoding.ASCII.GetBytes($"{envelope["protected"]}.{envelope["payload"]}"), HashAlgorithmName.SHA256,
        DSASignatureFormat.Rfc3279DerSequence);

    private static JsonObject Hmac()
    {
        var envelope = Notary.Envelope(With(static h => h["alg"] = "HS256"));
        var mac = HMACSHA256.HashData(
            Notary.Leaf.PublicKey.ExportSubjectPublicKeyInfo(), Encoding.ASCII.GetBytes($"{envelope["protected"]}.{envelope["payload"]}"));
        envelope["signature"] = Base64Url.EncodeToString(mac);
        return envelope;
    }
}
