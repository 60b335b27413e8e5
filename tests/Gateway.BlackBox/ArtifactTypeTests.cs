using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>The allowlist of artifact types, as clients see it.</summary>
public sealed class ArtifactTypeTests : IDisposable
{
    /// <summary>
    /// The list of Red Hat Quay's documentation ("OCI support"), with SIF and encrypted layers added in the documented way.
    /// </summary>
    private const string QuayBlock = """
        policy:
          default: allow
          artifactTypes:
            FEATURE_GENERAL_OCI_SUPPORT: true
            FEATURE_HELM_OCI_SUPPORT: true
            ALLOWED_OCI_ARTIFACT_TYPES:
              application/vnd.oci.image.config.v1+json:
                - application/vnd.dev.cosign.simplesigning.v1+json
                - application/vnd.oci.image.layer.v1.tar+gzip+encrypted
              application/vnd.cncf.helm.config.v1+json:
                - application/tar+gzip
              application/vnd.sylabs.sif.config.v1+json:
                - application/vnd.sylabs.sif.layer.v1.sif
        """;

    private const string WasmEntry = """
              application/vnd.wasm.config.v0+json:
                - application/wasm
        """;

    private readonly Client _client = new();

    [Fact]
    public async Task Wasm_is_refused_with_its_types_in_the_message_and_accepted_once_its_entry_is_added()
    {
        await using var gateway = await GatewayProcess.StartAsync(QuayBlock);

        var refused = (await PushWasmAsync(gateway)).Failed();

        Assert.Contains("denied", refused.Text, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("application/vnd.wasm.config.v0+json", refused.Text, StringComparison.Ordinal);
        Assert.Contains("ALLOWED_OCI_ARTIFACT_TYPES", refused.Text, StringComparison.Ordinal);

        gateway.Configure($"{QuayBlock}\n{WasmEntry}");
        var last = refused;
        await Eventually.TrueAsync(
            async () => (last = await PushWasmAsync(gateway)).ExitCode == 0,
            () => $"The gateway did not take up the new entry:\n{last.Text}\n{gateway.Log}");
        (await _client.OrasAsync("pull", "--plain-http", "--output", _client.Folder["pulled"], $"{gateway.Host}/wasm/add:1")).Succeeded();
        Assert.Equal(WasmModule, File.ReadAllBytes(_client.Folder["pulled/add.wasm"]));
    }

    [Fact]
    public async Task Nothing_of_a_refused_manifest_can_be_seen()
    {
        await using var gateway = await GatewayProcess.StartAsync(QuayBlock);

        (await PushWasmAsync(gateway)).Failed();

        using var http = new HttpClient { BaseAddress = new Uri($"http://{gateway.Host}") };
        Assert.Equal(404, (int)(await http.GetAsync("/v2/wasm/add/manifests/1")).StatusCode);
        Assert.DoesNotContain("\"1\"", await http.GetStringAsync("/v2/_catalog"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_client_shows_the_message_of_a_refusal()
    {
        await using var gateway = await GatewayProcess.StartAsync(QuayBlock);
        var layout = new OciLayout(_client.Folder["wasm"]);
        var config = layout.Add("{}"u8.ToArray(), "application/vnd.wasm.config.v0+json");
        var module = layout.Add(WasmModule, "application/wasm");
        layout.Tag("1", layout.Add(Encoding.UTF8.GetBytes(
            $$"""{"schemaVersion":2,"mediaType":"{{OciLayout.ImageManifest}}","config":{{config.ToJson().ToJsonString()}},"layers":[{{module.ToJson().ToJsonString()}}]}"""),
            OciLayout.ImageManifest));

        Output[] shown =
        [
            await _client.SkopeoAsync(
                "copy", "--preserve-digests", "--dest-tls-verify=false", $"oci:{layout.Root}:1", $"docker://{gateway.Host}/wasm/skopeo:1"),
            await _client.CraneAsync("push", "--insecure", layout.Root, $"{gateway.Host}/wasm/crane:1"),
            await _client.OrasAsync("cp", "--from-oci-layout", "--to-plain-http", $"{layout.Root}:1", $"{gateway.Host}/wasm/oras:1"),
        ];

        Assert.All(shown, output =>
        {
            Assert.NotEqual(0, output.ExitCode);
            Assert.Contains("denied", output.Text, StringComparison.OrdinalIgnoreCase);
            Assert.Contains("ALLOWED_OCI_ARTIFACT_TYPES", output.Text, StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task Sif_image_is_pushed_and_pulled_by_apptainer()
    {
        await using var gateway = await GatewayProcess.StartAsync(QuayBlock);
        var sif = await MakeSifAsync();

        (await _client.RunAsync("apptainer", "push", "--allow-unsigned", sif, $"oras://{gateway.Host}/sif/hello:1")).Succeeded();
        (await _client.RunAsync(
            "apptainer", "pull", "--no-https", _client.Folder["pulled.sif"], $"oras://{gateway.Host}/sif/hello:1")).Succeeded();

        Assert.Equal(File.ReadAllBytes(sif), File.ReadAllBytes(_client.Folder["pulled.sif"]));
    }

    [Fact]
    public async Task Sif_image_without_an_entry_is_refused()
    {
        await using var gateway = await GatewayProcess.StartAsync(
            "policy: { default: allow, artifactTypes: { ALLOWED_OCI_ARTIFACT_TYPES: {} } }");

        var refused = await _client.RunAsync(
            "apptainer", "push", "--allow-unsigned", await MakeSifAsync(), $"oras://{gateway.Host}/sif/hello:1");

        Assert.Contains("application/vnd.sylabs.sif.config.v1+json", refused.Failed().Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Images_are_accepted_without_an_entry_of_their_own()
    {
        await using var gateway = await GatewayProcess.StartAsync(
            "policy: { default: allow, artifactTypes: { ALLOWED_OCI_ARTIFACT_TYPES: {} } }");
        var (layout, _) = OciLayout.SmallImage(_client.Folder["image"]);

        (await _client.SkopeoAsync(
            "copy", "--dest-tls-verify=false", $"oci:{layout.Root}:1", $"docker://{gateway.Host}/plain/oci:1")).Succeeded();
        (await _client.SkopeoAsync(
            "copy", "--format", "v2s2", "--dest-tls-verify=false", $"oci:{layout.Root}:1",
            $"docker://{gateway.Host}/plain/docker:1")).Succeeded();
        (await _client.SkopeoAsync(
            "copy", "--dest-compress-format", "zstd", "--dest-tls-verify=false", $"oci:{layout.Root}:1",
            $"docker://{gateway.Host}/plain/zstd:1")).Succeeded();
    }

    [Fact]
    public async Task Helm_chart_is_refused_when_its_switch_is_off()
    {
        await using var gateway = await GatewayProcess.StartAsync(
            "policy: { default: allow, artifactTypes: { FEATURE_HELM_OCI_SUPPORT: false } }");
        _client.Folder.Write("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 1.0.0\n");
        (await _client.HelmAsync("package", _client.Folder["chart"])).Succeeded();

        var refused = await _client.HelmAsync("push", "--plain-http", _client.Folder["chart-1.0.0.tgz"], $"oci://{gateway.Host}/charts");

        Assert.Contains("denied", refused.Failed().Text, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("FEATURE_HELM_OCI_SUPPORT", refused.Text, StringComparison.Ordinal);
    }

    public void Dispose() => _client.Dispose();

    /// <summary>A complete module: magic, version, and one function that adds two numbers, exported as "add".</summary>
    private static readonly byte[] WasmModule = Convert.FromHexString(
        "0061736d0100000001070160027f7f017f03020100070701036164640000" + "0a09010700200020016a0b");

    private async Task<Output> PushWasmAsync(GatewayProcess gateway)
    {
        _client.Folder.Write("add.wasm", WasmModule);
        _client.Folder.Write("config.json", "{}");
        return await _client.OrasAsync(
            "push", "--plain-http", "--config", "config.json:application/vnd.wasm.config.v0+json", $"{gateway.Host}/wasm/add:1",
            "add.wasm:application/wasm");
    }

    /// <summary>A squashfs image in a SIF, as apptainer's own tool makes it.</summary>
    private async Task<string> MakeSifAsync()
    {
        var sif = _client.Folder["hello.sif"];
        _client.Folder.Write("root/etc/hello", "hello\n");
        (await _client.RunAsync(
            "mksquashfs", _client.Folder["root"], _client.Folder["root.squashfs"], "-quiet", "-no-progress")).Succeeded();
        (await _client.RunAsync("apptainer", "sif", "new", sif)).Succeeded();
        (await _client.RunAsync(
            "apptainer", "sif", "add", "--datatype", "4", "--parttype", "2", "--partfs", "1", "--partarch", "2", "--groupid", "1", sif,
            _client.Folder["root.squashfs"])).Succeeded();
        return sif;
    }
}
