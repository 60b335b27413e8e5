using System.Security.Cryptography;
using System.Text;

namespace Gateway.Policy.Tests.Signatures.Keyless.Sigstore;

/// <summary>Bodies of log entries, in canonical JSON as Rekor writes them.</summary>
internal static class LogBodies
{
    public static string Rekord(byte[] signed, byte[] signature, string pem) => Body("0.0.1", "hashedrekord", Object(
        ("data", Object(("hash", Hash(signed)))),
        ("signature", Object(("content", B64(signature)), ("publicKey", Object(("content", B64(pem))))))));

    public static string Dsse(byte[] payload, byte[] signature, string pem) => Body("0.0.1", "dsse", Object(
        ("envelopeHash", Hash([1])),
        ("payloadHash", Hash(payload)),
        ("signatures", $"[{Object(("signature", B64(signature)), ("verifier", B64(pem)))}]")));

    public static string Intoto(byte[] payload, byte[] signature, string pem)
    {
        var twice = B64(Convert.ToBase64String(signature));
        var envelope = Object(
            ("payloadType", "\"application/vnd.in-toto+json\""), ("signatures", $"[{Object(("publicKey", B64(pem)), ("sig", twice))}]"));
        return Body("0.0.2", "intoto", Object(
            ("content", Object(("envelope", envelope), ("hash", Hash([1])), ("payloadHash", Hash(payload))))));
    }

    public static string Rekord2(byte[] signed, byte[] signature, byte[] certificate) => Body("0.0.2", "hashedrekord", Object(
        ("hashedRekordV002", Object(("data", Hash2(signed)), ("signature", Signature2(signature, certificate))))));

    public static string Dsse2(byte[] payload, byte[] signature, byte[] certificate) => Body("0.0.2", "dsse", Object(
        ("dsseV002", Object(("payloadHash", Hash2(payload)), ("signatures", $"[{Signature2(signature, certificate)}]")))));

    private static string Body(string version, string kind, string spec) =>
        Object(("apiVersion", $"\"{version}\""), ("kind", $"\"{kind}\""), ("spec", spec));

    private static string Signature2(byte[] signature, byte[] certificate)
    {
        var x509 = Object(("rawBytes", B64(certificate)));
        return Object(
            ("content", B64(signature)),
            ("verifier", Object(("keyDetails", "\"PKIX_ECDSA_P256_SHA_256\""), ("x509Certificate", x509))));
    }

    private static string Hash(byte[] content) =>
        Object(("algorithm", "\"sha256\""), ("value", $"\"{Convert.ToHexStringLower(SHA256.HashData(content))}\""));

    private static string Hash2(byte[] content) => Object(("algorithm", "\"SHA2_256\""), ("digest", B64(SHA256.HashData(content))));

    // Values are already JSON.
    private static string Object(params (string Key, string Value)[] members) =>
        "{" + string.Join(",", members.Select(m => $"\"{m.Key}\":{m.Value}")) + "}";

    private static string B64(byte[] bytes) => $"\"{Convert.ToBase64String(bytes)}\"";

    private static string B64(string text) => B64(Encoding.UTF8.GetBytes(text));
}
