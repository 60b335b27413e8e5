using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Helm charts, with the released helm.</summary>
public class HelmTests(RegistryFixture fixture) : ClientScenario(fixture)
{
    [Fact]
    public async Task Chart_is_packaged_pushed_pulled_and_templated()
    {
        var package = await PackageAsync("web", "1.2.3");

        (await Client.HelmAsync("push", "--plain-http", package, $"oci://{At("charts")}")).Succeeded();
        (await Client.HelmAsync(
            "pull", "--plain-http", $"oci://{At("charts/web")}", "--version", "1.2.3", "--destination", Folder["home"])).Succeeded();

        Assert.Equal(File.ReadAllBytes(package), File.ReadAllBytes(Folder["home/web-1.2.3.tgz"]));
        var rendered = await Client.HelmAsync(
            "template", "release", "--plain-http", $"oci://{At("charts/web")}", "--version", "1.2.3", "--set", "greeting=hallo");
        Assert.Contains("greeting: hallo", rendered.Succeeded().Stdout, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Chart_is_stored_under_helms_own_types_and_its_version()
    {
        var package = await PackageAsync("typed", "0.1.0");

        (await Client.HelmAsync("push", "--plain-http", package, $"oci://{At("charts")}")).Succeeded();

        var manifest = JsonNode.Parse(
            (await Client.OrasAsync("manifest", "fetch", "--plain-http", At("charts/typed:0.1.0"))).Succeeded().Stdout)!;
        Assert.Equal("application/vnd.cncf.helm.config.v1+json", manifest["config"]!["mediaType"]!.GetValue<string>());
        Assert.Equal("application/vnd.cncf.helm.chart.content.v1.tar+gzip", manifest["layers"]![0]!["mediaType"]!.GetValue<string>());
    }

    [Fact]
    public async Task Newest_version_in_a_range_is_found_through_the_tag_list()
    {
        foreach (var version in (string[])["1.0.0", "1.4.0", "2.0.0"])
            (await Client.HelmAsync("push", "--plain-http", await PackageAsync("ranged", version), $"oci://{At("charts")}")).Succeeded();

        var chart = await Client.HelmAsync("show", "chart", "--plain-http", $"oci://{At("charts/ranged")}", "--version", "^1.0.0");

        Assert.Contains("version: 1.4.0", chart.Succeeded().Stdout, StringComparison.Ordinal);
    }

    private async Task<string> PackageAsync(string name, string version)
    {
        Folder.Write($"{name}/Chart.yaml", $"apiVersion: v2\nname: {name}\nversion: {version}\n");
        Folder.Write($"{name}/values.yaml", "greeting: hello\n");
        Folder.Write($"{name}/templates/map.yaml", """
            apiVersion: v1
            kind: ConfigMap
            metadata: { name: "{{ .Release.Name }}" }
            data:
              greeting: {{ .Values.greeting }}
            """);
        (await Client.HelmAsync("package", Folder[name])).Succeeded();
        return Folder[$"{name}-{version}.tgz"];
    }
}
