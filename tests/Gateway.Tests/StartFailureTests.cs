using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Gateway.Tests;

/// <summary>What is printed when the gateway cannot start.</summary>
public sealed class StartFailureTests
{
    [Fact]
    public async Task Address_of_another_machine_is_named_with_the_remedy()
    {
        // TEST-NET-1 (RFC 5737): no machine has it.
        var failure = await Assert.ThrowsAsync<IOException>(() => StartAsync("http://192.0.2.1:5000"));

        Assert.Contains("cannot listen on 192.0.2.1:5000: ", failure.Message, StringComparison.Ordinal);
        Assert.EndsWith("; write an address of this machine", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Port_in_use_is_named_with_the_remedy()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();

        var failure = await Assert.ThrowsAsync<IOException>(() => StartAsync($"http://{other.LocalEndpoint}"));

        Assert.Contains($"{other.LocalEndpoint}: address already in use; stop the program", failure.Message, StringComparison.Ordinal);
    }

    private static async Task StartAsync(string url)
    {
        await using var rig = await GatewayRig.StartAsync(options => options with { Listen = [new() { Url = new(url) }] });
    }
}
