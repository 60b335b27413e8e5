using Gateway.Policy.Signatures.Notation;

namespace Gateway.Fuzz.Targets;

/// <summary>
/// Notation's envelopes, JWS and COSE, with their chains; and what its trust policies name: subjects and bundles of authorities.
/// </summary>
public sealed class NotationTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs =>
    [
        .. Evidences.Blobs(static text => text.Contains("io.cncf.notary", StringComparison.Ordinal)),
        .. Evidences.Blobs(static text => text.Contains("\"protected\"", StringComparison.Ordinal)),
        .. Texts("C=US, ST=WA, O=wabbit-network.io", "CN=a\\,b,O=\"c\"", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
    ];

    protected override string[] Words =>
    [
        "\"alg\":\"none\"", "\"crit\":[]", "\"x5c\":[\"AAAA\"]", "io.cncf.notary.expiry", "io.cncf.notary.signingScheme", "\u00d8\u001c",
        "CN=", "\\2c", "-----BEGIN CERTIFICATE-----",
    ];

    protected override int MaxLength => 16 * 1024;

    protected override string Try(byte[] input)
    {
        var text = TextOf(input);
        var (name, why) = DistinguishedName.Parse(text);
        Assert.NotEqual(name is null, why is null);
        var (certificates, problem) = TrustedCertificates.Parse(text);
        Assert.Equal(problem is null, !certificates.IsDefaultOrEmpty);
        return $"{Evidences.Answer(() => JwsEnvelope.Read(input))} {Evidences.Answer(() => CoseEnvelope.Read(input))} {why} {problem}";
    }
}
