using System.Security.Cryptography;
using System.Text;

namespace Gateway.Policy.Tests.Signatures.Keyless.Sigstore;

/// <summary>Bodies of log entries, in canonical JSON as Rekor writes them.</summary>
internal static class LogBodies
{
    public static string Rekord(byte[] signed, byte[] signature, string pem) =>
        "{\"apiVersion\":\"0.0.1\",\"kind\":\"hashedrekord\",\"spec\":{\"data\":{\"hash\":{\"algorithm\":\"sha256\",\"value\":\"" + Hex(signed)
        + "\"}},\"signature\":{\"content\":\"" + B64(signature) + "\",\"publicKey\":{\"content\":\"" + B64(pem) + "\"}}}}";

    public static string Dsse(byte[] payload, byte[] signature, string pem) =>
        "{\"apiVersion\":\"0.0.1\",\"kind\":\"dsse\",\"spec\":{\"envelopeHash\":{\"algorithm\":\"sha256\",\"value\":\"" + Hex([1])
        + "\"},\"payloadHash\":{\"algorithm\":\"sha256\",\"value\":\"" + Hex(payload) + "\"},\"signatures\":[{\"signature\":\"" + B64(signature)
        + "\",\"verifier\":\"" + B64(pem) + "\"}]}}";

    public static string Intoto(byte[] payload, byte[] signature, string pem) =>
        "{\"apiVersion\":\"0.0.2\",\"kind\":\"intoto\",\"spec\":{\"content\":{\"envelope\":{\"payloadType\":\"application/vnd.in-toto+json\","
        + "\"signatures\":[{\"publicKey\":\"" + B64(pem) + "\",\"sig\":\"" + B64(B64(signature)) + "\"}]},\"hash\":{\"algorithm\":\"sha256\",\"value\":\""
        + Hex([1]) + "\"},\"payloadHash\":{\"algorithm\":\"sha256\",\"value\":\"" + Hex(payload) + "\"}}}}";

    public static string Rekord2(byte[] signed, byte[] signature, byte[] certificate) =>
        "{\"apiVersion\":\"0.0.2\",\"kind\":\"hashedrekord\",\"spec\":{\"hashedRekordV002\":{\"data\":{\"algorithm\":\"SHA2_256\",\"digest\":\""
        + B64(SHA256.HashData(signed)) + "\"},\"signature\":" + Signature2(signature, certificate) + "}}}";

    public static string Dsse2(byte[] payload, byte[] signature, byte[] certificate) =>
        "{\"apiVersion\":\"0.0.2\",\"kind\":\"dsse\",\"spec\":{\"dsseV002\":{\"payloadHash\":{\"algorithm\":\"SHA2_256\",\"digest\":\""
        + B64(SHA256.HashData(payload)) + "\"},\"signatures\":[" + Signature2(signature, certificate) + "]}}}";

    private static string Signature2(byte[] signature, byte[] certificate) =>
        "{\"content\":\"" + B64(signature) + "\",\"verifier\":{\"keyDetails\":\"PKIX_ECDSA_P256_SHA_256\",\"x509Certificate\":{\"rawBytes\":\""
        + B64(certificate) + "\"}}}";

    private static string Hex(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    private static string B64(byte[] bytes) => Convert.ToBase64String(bytes);

    private static string B64(string text) => B64(Encoding.UTF8.GetBytes(text));
}
