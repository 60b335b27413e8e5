using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// Signatures and attestations in the form of cosign 2 (tags) and of cosign 3 (bundles among the referrers), with a key and offline.
/// </summary>
public class CosignTests(RegistryFixture fixture) : ClientScenario(fixture)
{
    private static readonly string[] Offline = ["--allow-http-registry", "--insecure-ignore-tlog=true"];

    [Fact]
    public async Task Signature_of_cosign_2_is_a_tag_and_verifies()
    {
        var image = await PushAsync("cosign2/signed");
        await GenerateKeyAsync("cosign2");

        (await SignAsync("cosign2", "--tlog-upload=false", image)).Succeeded();

        (await VerifyAsync("cosign2", image)).Succeeded();
        var tags = (await Client.CraneAsync("ls", "--insecure", At("cosign2/signed"))).Succeeded().Stdout;
        Assert.Contains($"sha256-{image[^64..]}.sig", tags, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Signature_of_cosign_2_is_found_by_cosign_3()
    {
        var image = await PushAsync("cosign2/read-by-3");
        await GenerateKeyAsync("cosign2");

        (await SignAsync("cosign2", "--tlog-upload=false", image)).Succeeded();

        (await VerifyAsync("cosign3", image)).Succeeded();
    }

    [Fact]
    public async Task Bundle_of_cosign_3_is_a_referrer_and_verifies()
    {
        var image = await PushAsync("cosign3/signed");
        await GenerateKeyAsync("cosign3");

        (await SignAsync("cosign3", $"--signing-config={await SigningConfigurationAsync()}", image)).Succeeded();

        (await VerifyAsync("cosign3", image)).Succeeded();
        var found = JsonNode.Parse((await Client.OrasAsync("discover", "--plain-http", "--format", "json", image)).Succeeded().Stdout)!;
        Assert.Equal("application/vnd.dev.sigstore.bundle.v0.3+json", found["referrers"]![0]!["artifactType"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("cosign2")]
    [InlineData("cosign3")]
    public async Task Unsigned_image_does_not_verify(string cosign)
    {
        var image = await PushAsync($"{cosign}/unsigned");
        await GenerateKeyAsync(cosign);

        (await VerifyAsync(cosign, image)).Failed();
    }

    [Theory]
    [InlineData("cosign2")]
    [InlineData("cosign3")]
    public async Task Attestation_is_attached_and_verifies(string cosign)
    {
        var image = await PushAsync($"{cosign}/attested");
        await GenerateKeyAsync(cosign);
        var predicate = Folder.Write("predicate.json", """{"buildDefinition":{"buildType":"https://example.test/build","externalParameters":{}},"runDetails":{"builder":{"id":"https://example.test"}}}""");
        var services = cosign == "cosign2" ? "--tlog-upload=false" : $"--signing-config={await SigningConfigurationAsync()}";

        (await Client.RunAsync(
            cosign, "attest", "-y", "--allow-http-registry", "--key", Folder["cosign.key"], services, "--type", "slsaprovenance1",
            "--predicate", predicate, image)).Succeeded();

        var verified = await Client.RunAsync(
            cosign, ["verify-attestation", .. Offline, "--key", Folder["cosign.pub"], "--type", "slsaprovenance1", image]);
        verified.Succeeded();
    }

    [Fact]
    public async Task Sbom_attached_by_cosign_2_is_downloaded_again()
    {
        var image = await PushAsync("cosign2/sbom");
        var sbom = Folder.Write("sbom.spdx.json", """{"spdxVersion":"SPDX-2.3","name":"test"}""");

        (await Client.RunAsync("cosign2", "attach", "sbom", "--allow-http-registry", "--type", "spdx", "--sbom", sbom, image)).Succeeded();

        var downloaded = await Client.RunAsync("cosign2", "download", "sbom", "--allow-http-registry", image);
        Assert.Contains("SPDX-2.3", downloaded.Succeeded().Stdout, StringComparison.Ordinal);
    }

    private async Task<string> PushAsync(string repository)
    {
        var (layout, image) = OciLayout.SmallImage(Folder["image"]);
        (await Client.CraneAsync("push", "--insecure", layout.Root, At($"{repository}:1"))).Succeeded();
        return At($"{repository}@{image.Digest}");
    }

    private async Task GenerateKeyAsync(string cosign) => (await Client.RunAsync(cosign, "generate-key-pair")).Succeeded();

    private Task<Output> SignAsync(string cosign, string services, string image) =>
        Client.RunAsync(cosign, "sign", "-y", "--allow-http-registry", "--key", Folder["cosign.key"], services, image);

    private Task<Output> VerifyAsync(string cosign, string image) =>
        Client.RunAsync(cosign, ["verify", .. Offline, "--key", Folder["cosign.pub"], image]);

    /// <summary>Names no transparency log and no timestamp authority, so that no outside service is contacted.</summary>
    private async Task<string> SigningConfigurationAsync()
    {
        (await Client.RunAsync("cosign3", "signing-config", "create", "--out", Folder["services.json"])).Succeeded();
        return Folder["services.json"];
    }
}
