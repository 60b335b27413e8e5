using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Images that real clients push through the gateway are in the registry behind it, byte for byte, and in the gateway.</summary>
public sealed class FrontingTests(FrontedFixture fixture) : IClassFixture<FrontedFixture>, IDisposable
{
    private readonly Client _client = new();

    public static TheoryData<string, string> ClientsAndRegistries()
    {
        var all = new TheoryData<string, string>();
        foreach (var client in (string[])["skopeo", "crane", "oras", "helm", "podman"])
        {
            foreach (var registry in FrontedFixture.Kinds) all.Add(client, registry);
        }
        return all;
    }

    public void Dispose()
    {
        if (TestContext.Current.TestState?.Result == TestResult.Failed)
            TestContext.Current.TestOutputHelper?.WriteLine(fixture.Gateway.Log);
        _client.Dispose();
    }

    [Theory]
    [MemberData(nameof(ClientsAndRegistries))]
    public async Task Pushed_image_is_on_both_sides(string client, string registry)
    {
        var pushed = await PushAsync(client, registry, $"{client}/app");

        var (here, there) = await fixture.CopyBothAsync(_client, registry, pushed.Reference);

        Assert.Equal(there, here);
        if (pushed.Digests is { } digests) Assert.Equal(digests, there);
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("accounts")]
    [InlineData("tls")]
    public async Task Index_of_two_platforms_is_on_both_sides(string registry)
    {
        var layout = new OciLayout(_client.Folder["image"]);
        layout.Tag("1", layout.AddIndex(
            ("amd64", layout.AddImage("amd64", ("hello", "amd64"u8.ToArray()))),
            ("arm64", layout.AddImage("arm64", ("hello", "arm64"u8.ToArray())))));

        (await _client.SkopeoAsync(
            "copy", "--all", "--dest-tls-verify=false", $"oci:{layout.Root}:1", $"docker://{At(registry, "two/platforms:1")}")).Succeeded();

        var (here, there) = await fixture.CopyBothAsync(_client, registry, "two/platforms:1");
        Assert.Equal(OciLayout.DigestsIn(layout.Root), here);
        Assert.Equal(here, there);
    }

    [Theory]
    [InlineData("cosign2", "plain")]
    [InlineData("cosign3", "plain")]
    [InlineData("cosign2", "accounts")]
    [InlineData("cosign3", "tls")]
    public async Task Signature_is_found_on_both_sides(string cosign, string registry)
    {
        var (reference, _) = await PushAsync("crane", registry, $"{cosign}/signed");
        var digest = (await _client.CraneAsync("digest", "--insecure", At(registry, reference))).Succeeded().Stdout.Trim();
        (await _client.RunAsync(cosign, "generate-key-pair")).Succeeded();
        (await _client.RunAsync("cosign3", "signing-config", "create", "--out", _client.Folder["services.json"])).Succeeded();
        var offline = cosign == "cosign2" ? "--tlog-upload=false" : $"--signing-config={_client.Folder["services.json"]}";

        (await _client.RunAsync(
            cosign, "sign", "-y", "--allow-http-registry", "--key", _client.Folder["cosign.key"], offline,
            At(registry, $"{cosign}/signed@{digest}"))).Succeeded();

        await VerifyAsync(cosign, At(registry, $"{cosign}/signed@{digest}"));
        fixture.LogIn(_client, registry);
        await VerifyAsync(cosign, $"{fixture.Registry(registry).Host}/{cosign}/signed@{digest}");
        var tags = await fixture.TagsThereAsync(_client, registry, $"{cosign}/signed");
        Assert.Contains(cosign == "cosign2" ? $"sha256-{digest[7..]}.sig" : $"sha256-{digest[7..]}", tags);
    }

    [Fact]
    public async Task Catalog_of_the_registry_is_listed_through_the_gateway()
    {
        await PushAsync("crane", "plain", "listed/app");
        await PushAsync("crane", "accounts", "listed/app");
        // Pushed by another client, directly to the registry.
        var there = $"{fixture.Registry("plain").Host}/listed";
        (await _client.CraneAsync("cp", "--insecure", $"{there}/app:1", $"{there}/beside:1")).Succeeded();
        string[] wanted = ["accounts/listed/app", "plain/listed/app", "plain/listed/beside"];

        string[] crane = [], oras = [];
        await Eventually.TrueAsync(
            async () => wanted.All((crane = await LinesAsync(_client.CraneAsync("catalog", "--insecure", fixture.Gateway.Host))).Contains)
                && wanted.All((oras = await LinesAsync(_client.OrasAsync("repo", "ls", "--plain-http", fixture.Gateway.Host))).Contains),
            () => $"crane sees {string.Join(' ', crane)}, oras {string.Join(' ', oras)}");

        static async Task<string[]> LinesAsync(Task<Output> listing) =>
            (await listing).Succeeded().Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [Fact]
    public async Task Pushed_image_is_served_without_fetching_its_bytes()
    {
        var (reference, digests) = await PushAsync("crane", "plain", "cached/app");
        // Before a push, a client asks for content that does not exist yet, and the gateway asks the registry, also by GET.
        var before = (await fixture.Registry("plain").SettledAsync()).Length;

        (await _client.SkopeoAsync(
            "copy", "--src-tls-verify=false", $"docker://{At("plain", reference)}", $"oci:{_client.Folder["pulled"]}:1")).Succeeded();

        Assert.Equal(digests, OciLayout.DigestsIn(_client.Folder["pulled"]));
        Assert.DoesNotContain(
            (await fixture.Registry("plain").SettledAsync()).Skip(before),
            asked => asked.Request.StartsWith("GET /v2/cached/app/blobs/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Tag_that_is_pushed_again_is_bound_to_the_new_digest_at_once_on_both_sides()
    {
        await PushAsync("crane", "plain", "moved/app");
        var (layout, image) = OciLayout.SmallImage(_client.Folder["next"], seed: 2);

        (await _client.CraneAsync("push", "--insecure", layout.Root, At("plain", "moved/app:1"))).Succeeded();

        Assert.Equal(image.Digest, await DigestAsync(At("plain", "moved/app:1")));
        Assert.Equal(image.Digest, await DigestAsync($"{fixture.Registry("plain").Host}/moved/app:1"));
    }

    [Fact]
    public async Task Tags_are_listed_as_the_registry_lists_them()
    {
        await PushAsync("crane", "plain", "listed/app");
        (await _client.CraneAsync("tag", "--insecure", At("plain", "listed/app:1"), "2")).Succeeded();

        Assert.Equal(["1", "2"], Lines(await _client.CraneAsync("ls", "--insecure", At("plain", "listed/app"))));
        Assert.Equal(["1", "2"], await fixture.TagsThereAsync(_client, "plain", "listed/app"));
    }

    [Fact]
    public async Task Manifest_that_is_deleted_is_gone_on_both_sides_at_once()
    {
        var (reference, _) = await PushAsync("crane", "plain", "deleted/app");
        var digest = await DigestAsync(At("plain", reference));

        (await _client.CraneAsync("delete", "--insecure", At("plain", $"deleted/app@{digest}"))).Succeeded();

        foreach (var host in (string[])[$"{fixture.Gateway.Host}/plain", fixture.Registry("plain").Host])
        {
            (await _client.CraneAsync("manifest", "--insecure", $"{host}/deleted/app@{digest}")).Failed();
            (await _client.CraneAsync("manifest", "--insecure", $"{host}/{reference}")).Failed();
        }
    }

    [Fact]
    public async Task Copy_between_two_fronted_repositories_mounts_what_it_can()
    {
        var (reference, digests) = await PushAsync("crane", "plain", "source/app");

        (await _client.CraneAsync("copy", "--insecure", At("plain", reference), At("plain", "target/app:1"))).Succeeded();

        var (here, there) = await fixture.CopyBothAsync(_client, "plain", "target/app:1");
        Assert.Equal(digests, here);
        Assert.Equal(digests, there);
    }

    private string At(string registry, string reference) => $"{fixture.Gateway.Host}/{registry}/{reference}";

    private async Task<string> DigestAsync(string reference) =>
        (await _client.CraneAsync("digest", "--insecure", reference)).Succeeded().Stdout.Trim();

    private static string[] Lines(Output output) => output.Succeeded().Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private async Task VerifyAsync(string cosign, string reference) => (await _client.RunAsync(
        cosign, "verify", "--allow-http-registry", "--insecure-ignore-tlog=true", "--key", _client.Folder["cosign.pub"],
        reference)).Succeeded();

    /// <returns>The pushed reference below its registry, and its digests; null when the client repacks the image.</returns>
    private async Task<(string Reference, string[]? Digests)> PushAsync(string client, string registry, string repository)
    {
        if (client == "helm") return await PushChartAsync(registry, repository);
        var (layout, _) = OciLayout.SmallImage(_client.Folder["image"]);
        var reference = $"{repository}:1";
        (client switch
        {
            "skopeo" => await _client.SkopeoAsync(
                "copy", "--dest-tls-verify=false", $"oci:{layout.Root}:1", $"docker://{At(registry, reference)}"),
            "oras" => await _client.OrasAsync("cp", "--from-oci-layout", "--to-plain-http", $"{layout.Root}:1", At(registry, reference)),
            "podman" => await PushByPodmanAsync(layout, At(registry, reference)),
            _ => await _client.CraneAsync("push", "--insecure", layout.Root, At(registry, reference)),
        }).Succeeded();
        return (reference, client == "podman" ? null : OciLayout.DigestsIn(layout.Root));
    }

    private async Task<Output> PushByPodmanAsync(OciLayout layout, string reference)
    {
        var podman = new Podman(_client);
        var image = (await podman.RunAsync("pull", "--quiet", $"oci:{layout.Root}")).Succeeded().Stdout.Trim();
        return await podman.RunAsync("push", "--tls-verify=false", image, $"docker://{reference}");
    }

    private async Task<(string Reference, string[]? Digests)> PushChartAsync(string registry, string repository)
    {
        _client.Folder.Write("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\n");
        _client.Folder.Write("web/templates/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n");
        (await _client.HelmAsync("package", _client.Folder["web"])).Succeeded();
        var package = _client.Folder["web-1.2.3.tgz"];
        (await _client.HelmAsync("push", "--plain-http", package, $"oci://{At(registry, repository)}")).Succeeded();
        return ($"{repository}/web:1.2.3", null);
    }
}
