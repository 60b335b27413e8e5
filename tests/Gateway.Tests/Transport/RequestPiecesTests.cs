using System.Text;
using Gateway.Tests.Registry;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>Requests in pieces that do not fit the server's blocks: each byte is read once and in its order.</summary>
public sealed class RequestPiecesTests : IAsyncLifetime
{
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Requests_of_one_write_that_cross_blocks_are_all_answered()
    {
        const int Requests = 1_500;
        await _rig.PushManifestAsync("quick/app", "v1");
        using var client = await RawClient.ConnectAsync(_rig.Url);
        var expected = await client.GetAsync("/v2/quick/app/manifests/v1");

        // 150 KB: more than two blocks of 64 KiB, and no head ends where a block does.
        var all = string.Concat(Enumerable.Range(0, Requests).Select(i =>
            $"GET /v2/quick/app/manifests/v1 HTTP/1.1\r\nHost: h\r\nX-Padding: {new string('x', 10 + (i % 61))}\r\n\r\n"));
        var sending = client.SendBytesAsync(Encoding.ASCII.GetBytes(all));
        for (var i = 0; i < Requests; i++) Assert.Equal(expected, await client.ReceiveAsync());
        await sending;
    }

    [Fact]
    public async Task Head_that_arrives_byte_by_byte_is_read()
    {
        await _rig.PushManifestAsync("quick/app", "v1");
        using var client = await RawClient.ConnectAsync(_rig.Url);
        var head = "GET /v2/quick/app/manifests/v1 HTTP/1.1\r\nHost: h\r\n\r\n"u8.ToArray();
        for (var i = 0; i < head.Length; i++) await client.SendBytesAsync(head.AsMemory(i, 1));
        Assert.NotEmpty(await client.ReceiveAsync());
    }
}
