using Gateway.Commands;
using Xunit;

namespace Gateway.Tests.Commands;

/// <summary>What <c>gateway client-config</c> prints. Gateway.BlackBox gives the same files to the real clients.</summary>
public sealed class ClientConfigCommandTests : IDisposable
{
    private const string Upstreams = """
        upstreams:
          docker.io: {}
          corp: { url: "https://registry.corp.example", namespaces: [registry.corp.example] }
        publicUrl: https://gateway.example.com
        """;

    private readonly string _config = Path.GetTempFileName();

    public void Dispose() => File.Delete(_config);

    [Fact]
    public async Task Enforced_containerd_gets_one_file_for_every_registry() => Assert.EndsWith("""
        # /etc/containerd/certs.d/_default/hosts.toml
        server = "https://gateway.example.com"
        capabilities = ["pull", "resolve"]
        ca = "/etc/gateway-ca.pem"

        [host]

        # /etc/containerd/certs.d/gateway.example.com/hosts.toml
        server = "https://gateway.example.com"
        ca = "/etc/gateway-ca.pem"

        [host]

        """, await PrintAsync(Upstreams, "containerd", "--enforce", "--ca", "/etc/gateway-ca.pem"), StringComparison.Ordinal);

    [Fact]
    public async Task Open_containerd_gets_one_file_for_each_upstream() => Assert.EndsWith("""
        # /etc/containerd/certs.d/registry.corp.example/hosts.toml
        server = "https://registry.corp.example"

        [host."https://gateway.example.com"]
          capabilities = ["pull", "resolve"]
          dial_timeout = "2s"

        # /etc/containerd/certs.d/docker.io/hosts.toml
        server = "https://registry-1.docker.io"

        [host."https://gateway.example.com"]
          capabilities = ["pull", "resolve"]
          dial_timeout = "2s"

        """, await PrintAsync(Upstreams, "containerd"), StringComparison.Ordinal);

    [Fact]
    public async Task Enforced_k3s_asks_the_gateway_for_everything_and_no_default_endpoint() => Assert.Equal("""
        # /etc/rancher/k3s/registries.yaml
        mirrors:
          "*":
            endpoint: ["https://gateway.example.com"]
        configs:
          "gateway.example.com":
            tls: { ca_file: "/etc/gateway-ca.pem" }

        # /etc/rancher/k3s/config.yaml (merge into the file if it exists)
        disable-default-registry-endpoint: true

        """, await PrintAsync(Upstreams, "k3s", "--enforce", "--ca", "/etc/gateway-ca.pem"));

    [Fact]
    public async Task Kind_mounts_the_files_of_containerd()
    {
        var printed = await PrintAsync(Upstreams, "kind", "--enforce");

        Assert.Contains("    extraMounts:\n      - hostPath: ./certs.d\n        containerPath: /etc/containerd/certs.d\n", printed);
        Assert.Contains("# ./certs.d/_default/hosts.toml\nserver = \"https://gateway.example.com\"\n", printed);
    }

    [Fact]
    public async Task Enforced_buildkit_reaches_no_other_host() => Assert.Equal("""
        # /etc/buildkit/buildkitd.toml (merge into the file if it exists)
        [registry."registry.corp.example"]
          mirrors = ["gateway.example.com"]

        [registry."docker.io"]
          mirrors = ["gateway.example.com"]

        # /etc/systemd/system/buildkit.service.d/gateway.conf
        [Service]
        Environment=HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=gateway.example.com

        """, await PrintAsync(Upstreams, "buildkit", "--enforce"));

    [Fact]
    public async Task Helm_gets_the_address_of_each_upstream() =>
        Assert.Contains("repository: \"oci://gateway.example.com/corp/PATH\"", await PrintAsync(Upstreams, "helm"));

    [Theory]
    [InlineData("containerd", "listen: http://127.0.0.1:5000", "Only this machine reaches 127.0.0.1:5000")]
    [InlineData("docker", Upstreams, "add a route { prefix: \"\", upstream: docker.io }")]
    [InlineData("podman", Upstreams, "This fails open: podman asks the registry itself")]
    [InlineData("podman", "upstreams: {}", "This gateway has no upstream")]
    [InlineData("crio", "upstreams: { quay.io: {} }\naccess: { rules: [] }", "This gateway asks for an account")]
    [InlineData(
        "k3s", "listen: http://0.0.0.0:5000\naccess: { rules: [] }", "so the name of this machine is a guess: set publicUrl")]
    [InlineData("kind", Upstreams, "give --ca with the path of its certificate")]
    public async Task Notes_say_what_the_files_do_not_do(string client, string yaml, string expected)
    {
        var (code, _, error) = await RunAsync(yaml, client);

        Assert.Equal(0, code);
        Assert.Contains(expected, error.Replace($"{System.Net.Dns.GetHostName()}:5000", "the name of this machine"));
    }

    [Theory]
    [InlineData("cri", "cri")]
    [InlineData("podman --address nowhere", "--address: expected an address such as https://gateway.example.com, got 'nowhere'")]
    public async Task Wrong_usage_is_explained(string line, string expected)
    {
        var (code, _, error) = await RunAsync("", line.Split(' '));

        Assert.Equal(2, code);
        Assert.Contains(expected, error);
    }

    private async Task<string> PrintAsync(string yaml, params string[] arguments)
    {
        var (code, output, error) = await RunAsync(yaml, arguments);
        Assert.True(code == 0, error);
        return output;
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(string yaml, params string[] arguments)
    {
        await File.WriteAllTextAsync(_config, yaml);
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync(["client-config", .. arguments, "--config", _config], output, error);
        return (code, output.ToString(), error.ToString());
    }
}
