using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Gateway.Configuration;
using Gateway.Tests.Registry;
using Gateway.Transport;
using Scripted;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>
/// Blobs over cleartext HTTP/1.1, where the gateway sends files by sendfile(2): whatever the client does, each byte is the right one, and
/// what follows on the connection is right too.
/// </summary>
public sealed class SocketOutputTests : IAsyncLifetime
{
    // More than a piece of 1 MiB and more than a socket holds (4 MiB), and no multiple of anything.
    private const int Size = (9 << 20) + 12_345;

    private readonly byte[] _blob = RandomNumberGenerator.GetBytes(Size);
    private readonly byte[] _small = RandomNumberGenerator.GetBytes(33_000);
    private GatewayRig _rig = null!;
    private string _path = "";
    private string _smallPath = "";

    public async ValueTask InitializeAsync()
    {
        _rig = await GatewayRig.StartAsync();
        _path = $"/v2/a/blobs/{await _rig.PushBlobAsync("a", _blob)}";
        _smallPath = $"/v2/a/blobs/{await _rig.PushBlobAsync("a", _small)}";
    }

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Connection_is_used_again_after_each_kind_of_answer()
    {
        using var client = await RawClient.ConnectAsync(_rig.Url);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(_blob, await client.GetAsync(_path));
            Assert.Empty(await client.GetAsync(_path, "HEAD"));
            Assert.Equal(_small, await client.GetAsync(_smallPath));
            Assert.Equal(_blob[1_000_000..3_000_001], await client.GetAsync(_path, headers: "Range: bytes=1000000-3000000\r\n"));
            Assert.NotEmpty(await client.GetAsync("/v2/a/blobs/sha256:none"));
        }
    }

    [Fact]
    public async Task Pipelined_requests_are_answered_in_their_order()
    {
        using var client = await RawClient.ConnectAsync(_rig.Url);
        await client.SendAsync("GET", _path);
        await client.SendAsync("GET", _smallPath);
        await client.SendAsync("HEAD", _path);
        await client.SendAsync("GET", _path, "Range: bytes=-40000\r\n");
        await client.SendAsync("GET", _path);

        Assert.Equal(_blob, await client.ReceiveAsync());
        Assert.Equal(_small, await client.ReceiveAsync());
        Assert.Empty(await client.ReceiveAsync(isHead: true));
        Assert.Equal(_blob[^40_000..], await client.ReceiveAsync());
        Assert.Equal(_blob, await client.ReceiveAsync());
    }

    [Fact]
    public async Task Each_part_of_several_ranges_has_its_own_bytes()
    {
        using var client = await RawClient.ConnectAsync(_rig.Url);
        var body = await client.GetAsync(_path, headers: "Range: bytes=0-99999,5000000-7000000\r\n");
        Assert.True(body.AsSpan().IndexOf(_blob.AsSpan(0, 100_000)) > 0);
        Assert.True(body.AsSpan().IndexOf(_blob.AsSpan(5_000_000, 2_000_001)) > 100_000);
        Assert.Equal(_small, await client.GetAsync(_smallPath));
    }

    [Theory]
    [InlineData(2_048, 700)]
    [InlineData(4_096, 65_536)]
    [InlineData(262_144, 1_000)]
    public async Task Client_with_a_small_window_gets_every_byte(int window, int step)
    {
        using var client = await RawClient.ConnectAsync(_rig.Url, window);
        client.Step = step;
        Assert.Equal(_blob[..2_000_000], await client.GetAsync(_path, headers: "Range: bytes=0-1999999\r\n"));
        Assert.Equal(_small, await client.GetAsync(_smallPath));
    }

    [Fact]
    public async Task Client_that_pauses_in_the_middle_gets_every_byte()
    {
        using var client = await RawClient.ConnectAsync(_rig.Url, 8_192);
        client.PauseAt = Size / 2;
        Assert.Equal(_blob, await client.GetAsync(_path));
    }

    [Fact]
    public async Task Clients_that_disconnect_do_not_affect_other_clients()
    {
        await Task.WhenAll(Enumerable.Range(0, 40).Select(async i =>
        {
            using var client = await RawClient.ConnectAsync(_rig.Url, i % 2 == 0 ? 4_096 : 0);
            await client.SendAsync("GET", _path);
            await client.ReceiveSomeAsync(i * 50_000);
            if (i % 3 == 0) client.Reset();
        }));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            using var client = await RawClient.ConnectAsync(_rig.Url);
            for (var i = 0; i < 3; i++) Assert.Equal(_blob, await client.GetAsync(_path));
        }));
    }

    [Fact]
    public async Task Gateway_that_stops_in_the_middle_sends_the_rest_first()
    {
        using var client = await RawClient.ConnectAsync(_rig.Url, 8_192);
        await client.SendAsync("GET", _path);
        await client.ReceiveSomeAsync(100_000);
        var stopping = _rig.StopAsync();
        Assert.Equal(_blob, await client.ReceiveAsync());
        await stopping;
    }

    [Fact]
    public async Task Client_of_http_1_0_gets_every_byte_and_the_end()
    {
        using var client = await RawClient.ConnectAsync(_rig.Url);
        await client.SendAsync("GET", _path, version: "1.0");
        Assert.Equal(_blob, await client.ReceiveAsync());
        Assert.Equal(0, await client.ReadAsync(new byte[1]));
    }

    [Fact]
    public async Task Connection_ends_where_the_file_is_shorter_than_was_announced()
    {
        foreach (var data in Directory.EnumerateFiles(_rig.Storage, "data", SearchOption.AllDirectories))
        {
            if (new FileInfo(data).Length != Size) continue;
            using var client = await RawClient.ConnectAsync(_rig.Url, 4_096);
            await client.SendAsync("GET", _path);
            await client.ReceiveSomeAsync(1_000);
            using (var file = File.Open(data, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) file.SetLength(Size - 1_000_000);
            Assert.InRange(await client.ReadToEndAsync(), 1, Size - 1_000_000);
            return;
        }
        Assert.Fail("expected the blob's file to be there");
    }

    [Fact]
    public async Task Writes_after_a_reset_are_dropped_and_the_connection_is_aborted()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var peer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await peer.ConnectAsync(listener.LocalEndPoint!);
        using var accepted = await listener.AcceptAsync();
        var aborts = 0;
        var output = new SocketOutput(accepted, () => Interlocked.Increment(ref aborts));
        peer.LingerState = new(enable: true, seconds: 0);
        peer.Dispose();

        for (var i = 0; i < 200; i++)
        {
            _ = output.GetMemory(65_536);
            output.Advance(65_536);
            // As a stream does, the result is ignored.
            await output.FlushAsync();
        }

        Assert.Equal(0, output.UnflushedBytes);
        Assert.True(aborts > 0);
        Assert.True((await output.FlushAsync()).IsCompleted);
    }

    [Fact]
    public async Task Herd_on_one_blob_gets_every_byte()
    {
        await Task.WhenAll(Enumerable.Range(0, 24).Select(async _ =>
        {
            using var client = await RawClient.ConnectAsync(_rig.Url);
            Assert.Equal(_blob, await client.GetAsync(_path));
        }));
    }

    [Fact]
    public async Task Http2_in_cleartext_gets_every_byte()
    {
        await using var rig = await GatewayRig.StartAsync(options => options with
        {
            Listen = [new ListenOptions { Url = new("http://127.0.0.1:0"), Http2 = true }],
        });
        using var client = new HttpClient
        {
            DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        var digest = Oci.Digest.Of(_blob);
        using var pushed = await client.PostAsync(new Uri(rig.Url, $"/v2/a/blobs/uploads/?digest={digest}"), new ByteArrayContent(_blob));
        Assert.Equal(HttpStatusCode.Created, pushed.StatusCode);
        Assert.Equal(_blob, await client.GetByteArrayAsync(new Uri(rig.Url, $"/v2/a/blobs/{digest}")));
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task Tls_gets_every_byte(string version)
    {
        using var authority = new TestAuthority();
        authority.WriteServer();
        await using var rig = await GatewayRig.StartAsync(o => o with
        {
            Listen = [new() { Url = new("https://127.0.0.1:0"), Tls = new(authority["cert.pem"], authority["key.pem"]) }],
        });
        using var client = authority.Client();
        client.DefaultRequestVersion = Version.Parse(version);
        client.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        var blob = new Uri(rig.Url, $"/v2/a/blobs/{Oci.Digest.Of(_blob)}");
        using var pushed = await client.PostAsync(
            new Uri(rig.Url, $"/v2/a/blobs/uploads/?digest={Oci.Digest.Of(_blob)}"), new ByteArrayContent(_blob));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            if (i % 2 == 0)
            {
                using var gone = await client.GetAsync(blob, HttpCompletionOption.ResponseHeadersRead);
            }
            Assert.Equal(_blob, await client.GetByteArrayAsync(blob));
        }));
        await using var slow = await client.GetStreamAsync(blob);
        var read = new MemoryStream();
        var piece = new byte[300_000];
        while (await slow.ReadAsync(piece) is var count and > 0)
        {
            read.Write(piece, 0, count);
            await Task.Delay(5);
        }
        Assert.Equal(_blob, read.ToArray());
    }

    [Fact]
    public async Task Requests_that_wait_for_an_upstream_hold_no_other_request()
    {
        await using var hub = await ScriptedUpstream.StartAsync("127.0.0.1");
        var answers = new TaskCompletionSource();
        hub.When(_ => true).WaitFor(answers.Task);
        await using var rig = await GatewayRig.StartAsync(o => o with
        {
            Upstreams = o.Upstreams.Add("hub", new() { Key = "hub", Urls = [hub.Url] }),
        });
        var small = await rig.PushBlobAsync("a", _small);
        // More than there are threads for connections, or for requests at the start.
        var waiting = Enumerable.Range(0, 64).Select(async i =>
        {
            using var client = await RawClient.ConnectAsync(rig.Url);
            return await client.GetAsync($"/v2/hub/b{i}/blobs/{Oci.Digest.Of(_blob)}");
        }).ToArray();
        await Patience.UntilAsync(() => Task.FromResult(hub.Requests.Count > 0), () => "a request for the upstream");

        using (var client = await RawClient.ConnectAsync(rig.Url))
        {
            for (var i = 0; i < 100; i++) Assert.Equal(_small, await client.GetAsync($"/v2/a/blobs/{small}"));
        }
        Assert.DoesNotContain(waiting, w => w.IsCompleted);
        answers.SetResult();
        await Task.WhenAll(waiting);
    }
}
