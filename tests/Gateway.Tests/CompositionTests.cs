using Gateway.Configuration;
using Gateway.Fronting;
using Gateway.Operations;
using Gateway.PullThrough;
using Gateway.Registry;
using Gateway.Repositories;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace Gateway.Tests;

/// <summary>That the parts are put together without a circle, and end in an order in which none needs another that has ended.</summary>
public sealed class CompositionTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-composition-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Start_that_fails_to_listen_closes_the_volume()
    {
        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        var options = Options($"http://{taken.LocalEndpoint}/");

        await Assert.ThrowsAnyAsync<IOException>(() => RunningGateway.StartAsync(options, Stream.Null, TimeProvider.System, default));

        // The lock of the volume is free again: another gateway starts on it.
        await using var gateway = await RunningGateway.StartAsync(Options("http://127.0.0.1:0"), Stream.Null, TimeProvider.System, default);
        Assert.NotEqual(0, gateway.Listening[0].Port);
    }

    [Fact]
    public async Task Start_without_its_audit_log_closes_the_volume()
    {
        var options = Options("http://127.0.0.1:0") with { Audit = new() { Path = Path.Combine(_folder.FullName, "no/such/folder") } };

        await Assert.ThrowsAnyAsync<IOException>(() => RunningGateway.StartAsync(options, Stream.Null, TimeProvider.System, default));

        await using var gateway = await RunningGateway.StartAsync(Options("http://127.0.0.1:0"), Stream.Null, TimeProvider.System, default);
        Assert.NotEqual(0, gateway.Operator.Port);
    }

    [Fact]
    public async Task Reload_during_a_purge_stays_in_force()
    {
        await using var rig = await GatewayRig.StartAsync();
        for (var i = 0; i < 20; i++)
        {
            var name = $"reload-{i}";
            var reload = rig.UseAsync(options => options with { Routes = [new() { Prefix = "", Hosts = [name] }] });
            await Task.WhenAll(reload, rig.Services.GetRequiredService<IUpstreamMemory>().ForgetAsync());
            Assert.Equal(name, rig.Services.GetRequiredService<ICurrent<Snapshot>>().Value.Options.Routes[0].Hosts[0]);
        }
    }

    /// <summary>The host stops them from the last to the first.</summary>
    [Fact]
    public async Task Services_stop_before_those_that_they_use()
    {
        await using var rig = await GatewayRig.StartAsync();
        var hosted = rig.Services.GetServices<IHostedService>().Select(static service => service.GetType().Name).ToList();

        string[] order = [nameof(Prefetching), nameof(Forwarding), nameof(Sweep), "GenericWebHostService"];
        Assert.Equal(order, hosted.Where(order.Contains));
        Assert.Equal("GenericWebHostService", hosted[^1]);
    }

    private GatewayOptions Options(string url) => new()
    {
        Listen = [new() { Url = new(url) }],
        Operator = new() { Url = new("http://127.0.0.1:0") },
        Storage = new() { Path = Path.Combine(_folder.FullName, "data") },
    };
}
