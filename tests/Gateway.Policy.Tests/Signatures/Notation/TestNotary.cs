using System.Buffers.Text;
using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Notation;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;

namespace Gateway.Policy.Tests.Signatures.Notation;

/// <summary>The properties of a chain of <see cref="TestNotary"/>; valid by default.</summary>
internal sealed record NotaryOptions
{
    public string Subject { get; init; } = "C=US, ST=WA, O=acme.example, CN=builder";
    public X509KeyUsageFlags? Usage { get; init; } = X509KeyUsageFlags.DigitalSignature;
    public bool UsageIsCritical { get; init; } = true;
    public string[] Purposes { get; init; } = ["1.3.6.1.5.5.7.3.3"];
    public bool LeafIsAuthority { get; init; }
    public bool BetweenIsAuthority { get; init; } = true;
    public bool BetweenIsCritical { get; init; } = true;
    public X509KeyUsageFlags BetweenUsage { get; init; } = X509KeyUsageFlags.KeyCertSign;
    public int? RootPathLength { get; init; }
    public DateTimeOffset NotBefore { get; init; } = TestNotary.Issued;
    public DateTimeOffset NotAfter { get; init; } = Forge.Now.AddDays(10);
    public bool NamesCrl { get; init; }
    public bool WithSha1 { get; init; }
    public AsymmetricAlgorithm? Key { get; init; }
}

/// <summary>
/// A signer by the Notary Project's rules, written independently of the code under test: root, intermediate, leaf, and envelopes in JWS
/// over <see cref="Forge.Subject"/>.
/// </summary>
internal sealed class TestNotary
{
    public const string Thumbprints = "io.cncf.notary.x509chain.thumbprint#S256";
    public const string Scheme = "io.cncf.notary.signingScheme";
    public const string Time = "io.cncf.notary.signingTime";
    public const string AuthenticTime = "io.cncf.notary.authenticSigningTime";
    public const string Expiry = "io.cncf.notary.expiry";
    public const int SubjectSize = 1234;

    public static readonly DateTimeOffset Issued = Forge.Now.AddDays(-10);

    private readonly ECDsa _rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP384);
    private readonly ECDsa _betweenKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public TestNotary(NotaryOptions? options = null)
    {
        options ??= new();
        Key = options.Key ?? ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var root = Authority("CN=root, O=acme.example", _rootKey, options.RootPathLength);
        Root = root.CreateSelfSigned(Issued, Forge.Now.AddYears(10));
        var between = new CertificateRequest("CN=between, O=acme.example", _betweenKey, HashAlgorithmName.SHA256);
        between.CertificateExtensions.Add(
            new X509BasicConstraintsExtension(options.BetweenIsAuthority, false, 0, options.BetweenIsCritical));
        between.CertificateExtensions.Add(new X509KeyUsageExtension(options.BetweenUsage, critical: true));
        Between = Issue(between, Root.SubjectName, _rootKey, options);
        Leaf = IssueLeaf(Key, options);
    }

    public X509Certificate2 Root { get; }

    public X509Certificate2 Between { get; }

    public X509Certificate2 Leaf { get; }

    public AsymmetricAlgorithm Key { get; }

    /// <summary>Trust in this root under the authority <c>release</c>, with the given settings.</summary>
    public TrustOptions Trust(NotationAuthority? authority = null, NotationStoreOptions? store = null) => new()
    {
        Notation = ImmutableSortedDictionary<string, NotationStoreOptions>.Empty.Add("acme", store ?? Store),
        Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add(
            "release", new("release") { Notation = authority ?? new("acme") { Identities = [Name("C=US, ST=WA, O=acme.example")] } }),
    };

    public NotationStoreOptions Store => new() { Ca = [Root.RawData] };

    public static DistinguishedName Name(string text) => DistinguishedName.Parse(text).Name!;

    public X509Certificate2 IssueLeaf(AsymmetricAlgorithm key, NotaryOptions options)
    {
        var subject = new X500DistinguishedName(options.Subject);
        var request = key is RSA rsa
            ? new CertificateRequest(subject, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(subject, (ECDsa)key, HashAlgorithmName.SHA256);
        if (options.Usage is { } usage) request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, options.UsageIsCritical));
        if (options.Purposes.Length > 0) request.CertificateExtensions.Add(TestFulcio.Usage(options.Purposes));
        if (options.LeafIsAuthority) request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        if (options.NamesCrl)
            request.CertificateExtensions.Add(
                CertificateRevocationListBuilder.BuildCrlDistributionPointExtension(["http://crl.example/1"]));
        return Issue(request, Between.SubjectName, _betweenKey, options);
    }

    public static JsonObject Headers() => new()
    {
        ["alg"] = "ES256", ["crit"] = new JsonArray(Scheme), ["cty"] = "application/vnd.cncf.notary.payload.v1+json",
        [Scheme] = "notary.x509", [Time] = Text(Forge.Now.AddHours(-1)),
    };

    /// <summary>Headers of a signing authority that signed at this time.</summary>
    public static JsonObject HeadersOfAuthority(DateTimeOffset at)
    {
        var headers = Headers();
        headers.Remove(Time);
        headers[Scheme] = "notary.x509.signingAuthority";
        headers[AuthenticTime] = Text(at);
        headers["crit"] = new JsonArray(Scheme, AuthenticTime);
        return headers;
    }

    public static JsonObject Payload(Digest? digest = null, long size = SubjectSize, string type = MediaTypes.OciManifest) => new()
    {
        ["targetArtifact"] = new JsonObject { ["mediaType"] = type, ["digest"] = (digest ?? Forge.Subject).ToString(), ["size"] = size },
    };

    /// <summary>An envelope with these headers and this payload, genuinely signed.</summary>
    public JsonObject Envelope(JsonObject? headers = null, JsonObject? payload = null, params X509Certificate2[] chain)
    {
        var (first, second) = (Encode((headers ?? Headers()).ToJsonString()), Encode((payload ?? Payload()).ToJsonString()));
        return new()
        {
            ["payload"] = second,
            ["protected"] = first,
            ["header"] = new JsonObject
            {
                ["x5c"] = new JsonArray([.. (chain.Length == 0 ? [Leaf, Between, Root] : chain).Select(static one =>
                    (JsonNode)Convert.ToBase64String(one.RawData))]),
                ["io.cncf.notary.signingAgent"] = "test/1",
            },
            ["signature"] = Base64Url.EncodeToString(Sign(Encoding.ASCII.GetBytes($"{first}.{second}"))),
        };
    }

    /// <summary>An envelope with a time stamp over its signature, or over the given bytes.</summary>
    public static JsonObject Stamped(TestNotary notary, TestStamper stamper, DateTimeOffset at, byte[]? what = null)
    {
        var envelope = notary.Envelope();
        var signature = System.Buffers.Text.Base64Url.DecodeFromChars((string)envelope["signature"]!);
        // The token alone, from the response.
        var response = new AsnReader(stamper.Stamp(what ?? signature, at), AsnEncodingRules.BER).ReadSequence();
        response.ReadSequence();
        envelope["header"]!["io.cncf.notary.timestampSignature"] = Convert.ToBase64String(response.ReadEncodedValue().Span);
        return envelope;
    }

    public byte[] Sign(byte[] bytes) => Key switch
    {
        RSA rsa => rsa.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pss),
        _ => ((ECDsa)Key).SignData(bytes, HashAlgorithmName.SHA256),
    };

    public static string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));

    /// <summary>The envelope in a correct manifest.</summary>
    public static Evidence Evidence(JsonObject envelope, Func<Manifest, Manifest>? change = null) =>
        Evidence(Encoding.UTF8.GetBytes(envelope.ToJsonString()), ThumbprintsOf(envelope), change);

    public static Evidence Evidence(byte[] envelope, string thumbprints, Func<Manifest, Manifest>? change = null)
    {
        var manifest = new Manifest(MediaTypes.OciManifest)
        {
            Config = new("application/vnd.cncf.notary.signature", Digest.Of("{}"u8), 2),
            Layers = [new(EvidenceTypes.Jws, Digest.Of(envelope), envelope.Length)],
            Subject = new(MediaTypes.OciManifest, Forge.Subject, SubjectSize),
            Annotations = ImmutableSortedDictionary<string, string>.Empty.Add(Thumbprints, thumbprints),
        };
        return new(
            Digest.Of([.. envelope, .. Encoding.UTF8.GetBytes(thumbprints)]), change?.Invoke(manifest) ?? manifest, null, Forge.Now,
            ImmutableDictionary<Digest, ReadOnlyMemory<byte>>.Empty.Add(Digest.Of(envelope), envelope));
    }

    public static string ThumbprintsOf(JsonObject envelope) =>
        new JsonArray([.. (envelope["header"]?["x5c"] as JsonArray ?? []).Select(static one =>
        (JsonNode)Convert.ToHexStringLower(SHA256.HashData(Convert.FromBase64String((string)one!))))]).ToJsonString();

    public static string Text(DateTimeOffset moment) =>
        moment.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);

    private static CertificateRequest Authority(string name, ECDsa key, int? pathLength)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA384);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, pathLength is not null, pathLength ?? 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
        return request;
    }

    // With a generator, because .NET would not issue certificates that must be refused.
    private static X509Certificate2 Issue(CertificateRequest request, X500DistinguishedName issuer, ECDsa key, NotaryOptions options)
    {
        var generator = options.WithSha1 ? new Sha1Generator(key) : X509SignatureGenerator.CreateForECDsa(key);
        return request.Create(issuer, generator, options.NotBefore, options.NotAfter, TestFulcio.Serial());
    }

    private sealed class Sha1Generator(ECDsa key) : X509SignatureGenerator
    {
        public override byte[] GetSignatureAlgorithmIdentifier(HashAlgorithmName hashAlgorithm)
        {
            var writer = new AsnWriter(AsnEncodingRules.DER);
            using (writer.PushSequence()) writer.WriteObjectIdentifier("1.2.840.10045.4.1");
            return writer.Encode();
        }

#pragma warning disable CA5350 // a certificate that must be refused
        public override byte[] SignData(byte[] data, HashAlgorithmName hashAlgorithm) =>
            key.SignData(data, HashAlgorithmName.SHA1, DSASignatureFormat.Rfc3279DerSequence);
#pragma warning restore CA5350

        protected override PublicKey BuildPublicKey() => new(key);
    }
}
