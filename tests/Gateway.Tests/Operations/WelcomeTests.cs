using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Upstream;
using Xunit;

namespace Gateway.Tests.Operations;

public sealed class WelcomeTests
{
    private static readonly Uri Listen = new("http://0.0.0.0:5000");
    private static readonly Uri Operator = new("http://127.0.0.1:5001");

    [Fact]
    public void Version_configuration_and_data_folder_are_printed_first()
    {
        var options = new GatewayOptions { Storage = new() { Path = "/var/lib/gateway" } };

        Assert.StartsWith(
            string.Join(Environment.NewLine, "gateway 1.2.3", "configuration: /etc/gateway/gateway.yaml", "data: /var/lib/gateway", ""),
            Welcome.Text(options, [Listen], Operator, version: "1.2.3", configuration: "/etc/gateway/gateway.yaml"),
            StringComparison.Ordinal);
        Assert.Contains(
            "configuration: none, every setting has its default; create gateway.yaml here, or give a file with --config",
            Welcome.Text(options, [Listen], Operator, version: "1.2.3"), StringComparison.Ordinal);
    }

    [Fact]
    public void Bucket_is_printed_beside_the_data_folder()
    {
        var options = new GatewayOptions
        {
            Storage = new() { Path = "/var/lib/gateway", S3 = new() { Store = new("images") { Endpoint = new("https://s3.example") } } },
        };

        Assert.Contains(
            "data: /var/lib/gateway, and bucket images at https://s3.example for what clients push",
            Welcome.Text(options, [Listen], Operator), StringComparison.Ordinal);
    }

    [Fact]
    public void Commands_follow_the_routes_in_force()
    {
        var hub = new UpstreamOptions { Key = "docker.io", Urls = [new("https://registry-1.docker.io")], Library = true };
        var options = new GatewayOptions
        {
            Upstreams = new GatewayOptions().Upstreams.Add("docker.io", hub),
            Routes = [new() { Prefix = "docker.io", Upstream = "docker.io" }, new() { Prefix = "team" }],
        };

        var text = Welcome.Text(options, [Listen], Operator);
        Assert.Contains("docker pull localhost:5000/docker.io/alpine:latest", text, StringComparison.Ordinal);
        Assert.Contains(
            "docker tag localhost:5000/docker.io/alpine:latest localhost:5000/team/alpine:latest && docker push localhost:5000/team/alpine:latest",
            text, StringComparison.Ordinal);
        Assert.Contains("curl -s http://127.0.0.1:5001/metrics", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Example_shows_an_upstream_with_known_images()
    {
        var hub = new UpstreamOptions { Key = "docker.io", Urls = [new("https://registry-1.docker.io")], Library = true };
        var corp = new UpstreamOptions { Key = "corp", Urls = [new("https://registry.example.com")] };
        var options = new GatewayOptions
        {
            Upstreams = new GatewayOptions().Upstreams.Add("docker.io", hub).Add("corp", corp),
            Routes = [new() { Prefix = "corp", Upstream = "corp" }, new() { Prefix = "docker.io", Upstream = "docker.io" }],
        };

        Assert.Contains(
            "docker pull localhost:5000/docker.io/alpine:latest", Welcome.Text(options, [Listen], Operator), StringComparison.Ordinal);
    }

    [Fact]
    public void Example_names_the_host_of_an_upstream_that_only_a_host_stands_for()
    {
        var corp = new UpstreamOptions { Key = "corp", Urls = [new("https://registry.example.com")] };
        var options = new GatewayOptions
        {
            Upstreams = new GatewayOptions().Upstreams.Add("corp", corp),
            Routes = [new() { Prefix = "corp", Upstream = "corp", Hosts = ["harbor.example.com"] }],
        };

        var text = Welcome.Text(options, [Listen], Operator);
        Assert.Contains("docker pull harbor.example.com/<repository>:<tag>", text, StringComparison.Ordinal);
        Assert.DoesNotContain("no upstream yet", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Example_is_omitted_without_a_route()
    {
        var text = Welcome.Text(new GatewayOptions { Routes = [] }, [Listen], Operator);

        Assert.DoesNotContain("docker pull", text, StringComparison.Ordinal);
        Assert.DoesNotContain("docker push", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://127.0.0.1:5001", true, "docker exec <container> gateway stats")]
    [InlineData("http://127.0.0.1:5001", false, "curl -s http://127.0.0.1:5001/metrics")]
    [InlineData("https://0.0.0.0:5001", true, "curl -s https://localhost:5001/metrics")]
    public void Operator_port_is_printed_as_reachable_from_outside_a_container(string address, bool inContainer, string command)
    {
        var text = Welcome.Text(new(), [Listen], new(address), inContainer);

        Assert.EndsWith($"  {command}", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("anonymous", "**", "docker tag alpine:latest h:5000/alpine:latest && docker push h:5000/alpine:latest")]
    [InlineData("ci", "**", "docker login h:5000 && docker tag alpine:latest h:5000/alpine:latest && docker push h:5000/alpine:latest")]
    [InlineData("ci", "team/**", "curl -s h:5000/v2/_catalog      # no access rule allows pushing to alpine")]
    public void Push_example_follows_the_access_rules(string pusher, string repositories, string command)
    {
        var options = new GatewayOptions
        {
            Routes = [new() { Prefix = "" }],
            Access = new()
            {
                Rules =
                [
                    new(["anonymous"], ["**"], AccessActions.Pull),
                    new([pusher], [repositories], AccessActions.Pull | AccessActions.Push),
                ],
            },
        };

        Assert.Contains($"  {command}", Welcome.Text(options, [new("http://h:5000")], Operator).Split(Environment.NewLine));
    }
}
