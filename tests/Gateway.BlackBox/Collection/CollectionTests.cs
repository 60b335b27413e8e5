using System.Diagnostics;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Collection;

/// <summary>Freeing space, bringing content back and finding damage by the command line, with real clients.</summary>
public sealed class CollectionTests : IAsyncLifetime
{
    private readonly Client _client = new();
    private GatewayProcess _gateway = null!;
    private OciLayout _layout = null!;
    private string _digest = "";

    public async ValueTask InitializeAsync()
    {
        _gateway = await GatewayProcess.StartAsync("gc: { every: off, grace: 1s }\nscrub: { rate: 1MiB }");
        (_layout, var image) = OciLayout.SmallImage(_client.Folder["image"]);
        _digest = image.Digest;
        (await _client.CraneAsync("push", "--insecure", _layout.Root, $"{_gateway.Host}/team/app:1")).Succeeded();
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        _client.Dispose();
    }

    private string Image => $"{_gateway.Host}/team/app@{_digest}";

    private string[] Stored =>
        [.. Directory.EnumerateFiles(Path.Combine(_gateway.Storage, "docker/registry/v2/blobs"), "data", SearchOption.AllDirectories)];

    private Task<Output> GatewayAsync(params string[] arguments) =>
        _client.RunAsync("dotnet", [GatewayProcess.Assembly, .. arguments, "--config", _gateway.ConfigurationFile]);

    private Task<Output> ValidateAsync() => _client.CraneAsync("validate", "--insecure", "--remote", Image);

    // Until the grace time is over.
    private Task CollectUntilAsync(Func<bool> isDone, params string[] options) => Eventually.TrueAsync(
        async () =>
        {
            (await GatewayAsync(["gc", .. options])).Succeeded();
            return isDone();
        },
        () => $"still stored: {string.Join(' ', Stored)}\n{_gateway.Log}");

    [Fact]
    public async Task Deleted_image_is_collected_and_comes_back_from_the_trash()
    {
        (await _client.CraneAsync("delete", "--insecure", Image)).Succeeded();
        Assert.NotEmpty(Stored);
        await Eventually.TrueAsync(
            async () => (await GatewayAsync("gc", "--dry-run")).Succeeded().Stdout.Contains(_digest, StringComparison.Ordinal),
            () => _gateway.Log);
        Assert.NotEmpty(Stored);
        await CollectUntilAsync(() => Stored.Length == 0);
        (await ValidateAsync()).Failed();
        Assert.Contains($"team/app@{_digest}", (await GatewayAsync("trash", "list")).Succeeded().Stdout, StringComparison.Ordinal);

        var restored = (await GatewayAsync("trash", "restore", $"team/app@{_digest}")).Succeeded();

        Assert.Contains("it had the tags 1", restored.Stdout, StringComparison.Ordinal);
        (await ValidateAsync()).Succeeded();
        (await _client.CraneAsync("tag", "--insecure", Image, "1")).Succeeded();
        (await GatewayAsync("trash", "empty")).Succeeded();
        (await GatewayAsync("gc", "--untagged", "1s")).Succeeded();
        (await ValidateAsync()).Succeeded();
        (await GatewayAsync("trash", "restore", "team/none")).Succeeded();
        (await GatewayAsync("trash", "restore", $"team/none@{_digest}")).Failed();
    }

    [Theory]
    [InlineData("cosign2", "--tlog-upload=false")]
    [InlineData("cosign3", "--signing-config")]
    public async Task Signature_verifies_while_its_image_is_stored_goes_after_it_and_comes_back_with_it(string cosign, string services)
    {
        (await _client.RunAsync(cosign, "generate-key-pair")).Succeeded();
        if (cosign == "cosign3")
        {
            (await _client.RunAsync("cosign3", "signing-config", "create", "--out", _client.Folder["services.json"])).Succeeded();
            services = $"--signing-config={_client.Folder["services.json"]}";
        }
        (await _client.RunAsync(cosign, "sign", "-y", "--allow-http-registry", "--key", _client.Folder["cosign.key"], services, Image))
            .Succeeded();
        await Task.Delay(TimeSpan.FromSeconds(1.5)); // longer than the grace time and than the age below
        (await GatewayAsync("gc", "--untagged", "1s")).Succeeded();
        (await VerifyAsync(cosign)).Succeeded();

        (await _client.CraneAsync("delete", "--insecure", Image)).Succeeded();
        await CollectUntilAsync(() => Stored.Length == 0);
        (await GatewayAsync("trash", "restore", $"team/app@{_digest}")).Succeeded();

        (await VerifyAsync(cosign)).Succeeded();
    }

    private Task<Output> VerifyAsync(string cosign) => _client.RunAsync(
        cosign, "verify", "--allow-http-registry", "--insecure-ignore-tlog=true", "--key", _client.Folder["cosign.pub"], Image);

    [Fact]
    public async Task Damaged_blob_is_found_not_served_and_healed_by_a_push()
    {
        (await GatewayAsync("scrub")).Succeeded();
        var layer = Stored.MaxBy(static data => new FileInfo(data).Length)!;
        var bytes = await File.ReadAllBytesAsync(layer);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(layer, bytes);

        var found = (await GatewayAsync("scrub")).Failed();

        Assert.Contains($"needed by team/app@{_digest} (1)", found.Stdout, StringComparison.Ordinal);
        (await ValidateAsync()).Failed();
        await _gateway.Server.KillAsync();
        await _gateway.StartAgainAsync();
        (await ValidateAsync()).Failed();
        var report = JsonNode.Parse((await GatewayAsync("scrub", "--json")).Failed().Stdout)!["result"]!;
        Assert.Equal(Path.GetFileName(Path.GetDirectoryName(layer)), ((string)report["damaged"]![0]!["digest"]!)[7..]);

        // crane asks for the manifest alone, and pushes nothing if it is there.
        (await _client.SkopeoAsync(
            "copy", "--dest-tls-verify=false", $"oci:{_layout.Root}", $"docker://{_gateway.Host}/team/app:1")).Succeeded();
        (await ValidateAsync()).Succeeded();
        Assert.Contains("everything is whole", (await GatewayAsync("scrub")).Succeeded().Stdout, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Job_survives_the_end_of_its_command_and_of_the_gateway()
    {
        using var raw = new RawClient(_gateway.Host);
        // Half a minute and more at the rate of the configuration, so that each step finds it running.
        await raw.ImageAsync("team/large", "1", OciLayout.Noise(1, 30 << 20));
        string[] arguments = [GatewayProcess.Assembly, "scrub", "--config", _gateway.ConfigurationFile];
        using var command = Process.Start(new ProcessStartInfo("dotnet", arguments)
        {
            RedirectStandardError = true, RedirectStandardOutput = true,
        })!;
        var id = (await command.StandardError.ReadLineAsync())!.Split(' ')[0];
        command.Kill();
        await command.WaitForExitAsync();
        Assert.Contains($"{id}  running", Words((await GatewayAsync("jobs")).Succeeded().Stdout), StringComparison.Ordinal);
        Assert.Contains(id, (await GatewayAsync("scrub")).Failed().Stderr, StringComparison.Ordinal);

        await _gateway.Server.KillAsync();
        // The rest need not be slow.
        _gateway.Configure("gc: { every: off, grace: 1s }");
        await _gateway.StartAgainAsync();

        var job = JsonNode.Parse((await GatewayAsync("jobs", id, "--json")).Succeeded().Stdout)!;
        Assert.Equal(("done", 1), ((string)job["state"]!, (int)job["restarts"]!));
    }

    private static string Words(string text) =>
        string.Join("  ", text.Split("  ", StringSplitOptions.RemoveEmptyEntries).Select(static word => word.Trim()));
}
