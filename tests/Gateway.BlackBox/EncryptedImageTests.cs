using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Images whose layers skopeo encrypts on push and decrypts on pull.</summary>
public class EncryptedImageTests(RegistryFixture fixture) : ClientScenario(fixture)
{
    [Fact]
    public async Task Image_encrypted_for_a_jwe_key_is_decrypted_with_it()
    {
        using var key = RSA.Create(3072);
        var publicKey = Folder.Write("public.pem", key.ExportSubjectPublicKeyInfoPem());
        var privateKey = Folder.Write("private.pem", key.ExportPkcs8PrivateKeyPem());

        await RoundTripAsync("encrypted/jwe", $"jwe:{publicKey}", privateKey, "org.opencontainers.image.enc.keys.jwe");
    }

    [Fact]
    public async Task Image_encrypted_for_a_pgp_key_is_decrypted_with_it()
    {
        Directory.CreateDirectory(Folder["home/.gnupg"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        try
        {
            (await Client.RunAsync(
                "gpg", "--batch", "--passphrase", "", "--quick-generate-key", "developer@example.test", "rsa3072", "encrypt",
                "never")).Succeeded();
            (await Client.RunAsync(
                "gpg", "--batch", "--output", Folder["secret.gpg"], "--export-secret-keys", "developer@example.test")).Succeeded();

            await RoundTripAsync(
                "encrypted/pgp", "pgp:developer@example.test", Folder["secret.gpg"], "org.opencontainers.image.enc.keys.pgp");
        }
        finally
        {
            await Client.RunAsync("gpg-connect-agent", "--no-autostart", "killagent", "/bye");
        }
    }

    private async Task RoundTripAsync(string repository, string encryptionKey, string decryptionKey, string annotation)
    {
        var (layout, image) = OciLayout.SmallImage(Folder["image"]);
        var reference = $"docker://{At($"{repository}:1")}";

        (await Client.SkopeoAsync(
            "copy", "--dest-tls-verify=false", "--encryption-key", encryptionKey, $"oci:{layout.Root}:1", reference)).Succeeded();

        var manifest = JsonNode.Parse((await Client.CraneAsync("manifest", "--insecure", At($"{repository}:1"))).Succeeded().Stdout)!;
        var layer = manifest["layers"]![0]!;
        Assert.Equal("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", layer["mediaType"]!.GetValue<string>());
        Assert.NotNull(layer["annotations"]![annotation]);

        (await Client.SkopeoAsync(
            "copy", "--src-tls-verify=false", "--decryption-key", decryptionKey, reference, $"oci:{Folder["clear"]}:1")).Succeeded();
        Assert.Equal(LayersOf(layout.Root, image.Digest), LayersOf(Folder["clear"], OciLayout.TopIn(Folder["clear"])));

        (await Client.SkopeoAsync("copy", "--src-tls-verify=false", reference, $"oci:{Folder["sealed"]}:1")).Succeeded();
        Assert.DoesNotContain(LayersOf(layout.Root, image.Digest)[0], OciLayout.DigestsIn(Folder["sealed"]));
        using var other = RSA.Create(2048);
        var wrongKey = Folder.Write("wrong.pem", other.ExportPkcs8PrivateKeyPem());
        (await Client.SkopeoAsync(
            "copy", "--src-tls-verify=false", "--decryption-key", wrongKey, reference, $"oci:{Folder["wrong"]}:1")).Failed();
    }

    private static string[] LayersOf(string layout, string manifest) =>
        [.. JsonNode.Parse(File.ReadAllText(Path.Combine(layout, "blobs", "sha256", manifest[7..])))!["layers"]!.AsArray()
            .Select(layer => layer!["digest"]!.GetValue<string>())];
}
