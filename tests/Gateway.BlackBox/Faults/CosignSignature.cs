using System.Security.Cryptography;
using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Faults;

/// <summary>A signature as cosign 2 makes it, without a program to start for each.</summary>
internal static class CosignSignature
{
    private const string Claim = "cosign container image signature";

    /// <summary>The tag under which the signature of a digest is.</summary>
    public static string TagOf(string digest) => $"{digest.Replace(':', '-')}.sig";

    public static (byte[] Config, byte[] Payload, byte[] Manifest) Of(string digest, ECDsa key)
    {
        var image = $$"""{"docker-manifest-digest":"{{digest}}"}""";
        var critical = $$"""{"identity":{"docker-reference":""},"image":{{image}},"type":"{{Claim}}"}""";
        var payload = Encoding.UTF8.GetBytes($$"""{"critical":{{critical}},"optional":null}""");
        var signature = Convert.ToBase64String(key.SignData(payload, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
        var layer = Described.Of(payload, "application/vnd.dev.cosign.simplesigning.v1+json").ToJson();
        layer["annotations"] = new System.Text.Json.Nodes.JsonObject { ["dev.cosignproject.cosign/signature"] = signature };
        var config = "{ }"u8.ToArray();
        var manifest = OciLayout.Bytes(new System.Text.Json.Nodes.JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = OciLayout.ImageManifest,
            ["config"] = Described.Of(config, OciLayout.ImageConfig).ToJson(),
            ["layers"] = new System.Text.Json.Nodes.JsonArray(layer),
        });
        return (config, payload, manifest);
    }
}
