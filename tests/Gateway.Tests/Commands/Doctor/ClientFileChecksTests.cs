using Xunit;

namespace Gateway.Tests.Commands.Doctor;

/// <summary>Files of clients on this machine that let them bypass the gateway.</summary>
public sealed class ClientFileChecksTests
{
    private const string Yaml = "upstreams: { quay.io: { url: \"http://127.0.0.1:1\" } }\npublicUrl: http://gateway.example.com";
    private const string Hosts = "/etc/containerd/certs.d/_default/hosts.toml";
    private const string Registries = "/etc/containers/registries.conf.d/50-gateway.conf";

    [Theory]
    [InlineData("FAILS_OPEN", Hosts, "[host.\"http://gateway.example.com\"]\n  capabilities = [\"pull\"]\n")]
    [InlineData("FAILS_OPEN", Hosts, "server = \"https://quay.io\" # the registry\n[host.\"http://gateway.example.com\"]\n")]
    [InlineData("FAILS_OPEN", Hosts, "server = \"http://gateway.example.com\"\ncapabilities = [\"pull\"]\n")]
    [InlineData("DOUBLE_V2", Hosts, "server = \"http://gateway.example.com/v2\"\ncapabilities = [\"pull\"]\n")]
    [InlineData("PUSH_MISPLACED", Hosts, "server = \"http://gateway.example.com\"\n")]
    [InlineData("TLS_UNCHECKED", Hosts, "server = \"http://gateway.example.com\"\ncapabilities = [\n  \"pull\",\n]\nskip_verify = true\n")]
    [InlineData("FAILS_OPEN", Registries, "[[registry]]\nlocation = \"quay.io\"\n[[registry.mirror]]\nlocation = \"gateway.example.com/quay.io\"\n")]
    [InlineData(
        "BYPASS", Registries, "[[registry]]\nlocation = \"ghcr.io\"\nblocked = true\n[[registry.mirror]]\nlocation = \"gateway.example.com/ghcr.io\"\n")]
    [InlineData(
        "BYPASS", Registries,
        "[[registry]]\nlocation = \"quay.io\"\nblocked = true\n[[registry.mirror]]\nlocation = \"gateway.example.com/q\"\npull-from-mirror = \"digest-only\"\n")]
    [InlineData("FAILS_OPEN", "/etc/docker/daemon.json", """{ "registry-mirrors": ["http://gateway.example.com"] }""")]
    [InlineData("DOUBLE_V2", "/etc/docker/daemon.json", """{ "registry-mirrors": ["http://gateway.example.com/v2/"], "proxies": {} }""")]
    [InlineData("FAILS_OPEN", "/etc/rancher/k3s/registries.yaml", "mirrors:\n  \"*\":\n    endpoint: [\"http://gateway.example.com\"]\n")]
    public async Task File_with_a_way_around_the_gateway_is_named(string code, string path, string text)
    {
        await using var rig = new DoctorRig();
        rig.Configure(Yaml);
        rig.WriteClientFile(path, text);

        var folder = Path.GetDirectoryName(path)!;
        Assert.Contains(await ExamineAsync(rig), each => each.Code == code && each.About.StartsWith(folder, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Folder_of_one_registry_takes_precedence_over_the_closed_default()
    {
        await using var rig = new DoctorRig();
        rig.Configure(Yaml);
        rig.WriteClientFile(Hosts, "server = \"http://gateway.example.com\"\ncapabilities = [\"pull\"]\n");
        rig.WriteClientFile("/etc/containerd/certs.d/quay.io/ca.crt", "");
        rig.WriteClientFile("/etc/containerd/config.toml", "version = 3\n");

        var found = await ExamineAsync(rig);

        Assert.Equal(
            ["/etc/containerd/certs.d/quay.io", "/etc/containerd/config.toml"],
            found.Where(each => each.Code == "BYPASS").Select(each => each.About).Order());
    }

    [Theory]
    [InlineData("containerd")]
    [InlineData("podman")]
    [InlineData("docker")]
    [InlineData("k3s")]
    public async Task Enforced_files_of_client_config_have_no_finding(string client)
    {
        await using var rig = new DoctorRig();
        rig.Configure(Yaml);
        await rig.WritePrintedFilesAsync(client);

        Assert.Empty(await ExamineAsync(rig));
    }

    [Fact]
    public async Task Files_that_do_not_name_the_gateway_are_not_examined()
    {
        await using var rig = new DoctorRig();
        rig.Configure(Yaml);
        rig.WriteClientFile(Hosts, "server = \"https://other.example\"\n");
        rig.WriteClientFile(Registries, "[[registry]]\nlocation = \"quay.io\"\n");

        Assert.Empty(await ExamineAsync(rig));
    }

    private static async Task<(string Level, string Code, string About, string Text)[]> ExamineAsync(DoctorRig rig) =>
        [.. (await rig.ExamineAsync()).Found.Where(each => !each.Code.EndsWith("_UNREACHABLE", StringComparison.Ordinal))];
}
