using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Tests.Registry;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>
/// Bodies of pushes, which the server receives into large blocks and the gateway hashes beside the receive: whatever the client does, the
/// stored blob has each byte, and what follows on the connection is right.
/// </summary>
public sealed class UploadBodyTests : IAsyncLifetime
{
    // More than several steps of the upload (256 KiB) and blocks (64 KiB), and no multiple of anything.
    private const int Size = (3 << 20) + 12_345;

    private readonly byte[] _blob = RandomNumberGenerator.GetBytes(Size);
    private GatewayRig _rig = null!;

    private Digest Digest => Digest.Of(_blob);

    private string BlobPath => $"/v2/a/blobs/{Digest}";

    private string PushPath => $"/v2/a/blobs/uploads/?digest={Digest}";

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Theory]
    [InlineData(Size, false)]
    [InlineData(65_536, false)]
    [InlineData(65_537, true)]
    [InlineData(4_095, true)]
    public async Task Body_in_pieces_of_any_size_is_stored_byte_for_byte(int piece, bool isChunked)
    {
        using var client = await RawClient.ConnectAsync(_rig.Url);
        await PushAsync(client, piece, isChunked);
        Assert.Equal(_blob, await client.GetAsync(BlobPath));
    }

    [Fact]
    public async Task Slow_sender_of_small_pieces_is_stored_byte_for_byte()
    {
        using var client = await RawClient.ConnectAsync(_rig.Url);
        await client.SendAsync("POST", PushPath, $"Content-Length: {Size}\r\n");
        for (var at = 0; at < Size;)
        {
            var count = Math.Min(at < 3_000 ? 100 : 300_000, Size - at);
            await client.SendBytesAsync(_blob.AsMemory(at, count));
            at += count;
            await Task.Delay(5);
        }
        Assert.Empty(await client.ReceiveAsync());
        Assert.Equal(_blob, await client.GetAsync(BlobPath));
    }

    [Fact]
    public async Task Request_that_is_pipelined_after_a_body_is_answered()
    {
        using var client = await RawClient.ConnectAsync(_rig.Url);
        await client.SendAsync("POST", PushPath, $"Content-Length: {Size}\r\n");
        await client.SendBytesAsync((byte[])
            [.. _blob, .. Encoding.ASCII.GetBytes($"HEAD {BlobPath} HTTP/1.1\r\nHost: h\r\n\r\nGET {BlobPath} HTTP/1.1\r\nHost: h\r\n\r\n")]);
        Assert.Empty(await client.ReceiveAsync());
        Assert.Empty(await client.ReceiveAsync(isHead: true));
        Assert.Equal(_blob, await client.ReceiveAsync());
    }

    [Fact]
    public async Task Client_that_expects_100_continue_sends_its_body_after_it()
    {
        using var client = await RawClient.ConnectAsync(_rig.Url);
        await client.SendAsync("POST", PushPath, $"Content-Length: {Size}\r\nExpect: 100-continue\r\n");
        Assert.Equal("HTTP/1.1 100 Continue", await client.ReceiveInterimAsync());
        await client.SendBytesAsync(_blob);
        Assert.Empty(await client.ReceiveAsync());
        // The gateway ends a connection on which a body was expected.
        using var next = await RawClient.ConnectAsync(_rig.Url);
        Assert.Equal(_blob, await next.GetAsync(BlobPath));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Session_goes_on_where_a_client_hung_up_in_the_middle(bool resets)
    {
        using var opened = await _rig.Client.PostAsync(new Uri(_rig.Url, "/v2/a/blobs/uploads/"), null);
        var session = new Uri(_rig.Url, opened.Headers.Location!).PathAndQuery;
        using (var gone = await RawClient.ConnectAsync(_rig.Url))
        {
            await gone.SendAsync("PATCH", session, $"Content-Length: {Size}\r\n");
            await gone.SendBytesAsync(_blob.AsMemory(0, Size - 200_000));
            await Patience.UntilAsync(async () => await OffsetAsync(session) > 1 << 20, () => "a MiB of the session");
            if (resets) gone.Reset();
        }

        var at = await SettledOffsetAsync(session);
        using var client = await RawClient.ConnectAsync(_rig.Url);
        await client.SendAsync("PUT", $"{session}?digest={Digest}", $"Content-Range: {at}-{Size - 1}\r\nContent-Length: {Size - at}\r\n");
        await client.SendBytesAsync(_blob.AsMemory(at));
        Assert.Empty(await client.ReceiveAsync());
        Assert.Equal(_blob, await client.GetAsync(BlobPath));
    }

    [Fact]
    public async Task Many_pushes_at_a_time_are_stored_byte_for_byte()
    {
        // More than there are large blocks.
        await Task.WhenAll(Enumerable.Range(0, 100).Select(async i =>
        {
            byte[] own = [.. BitConverter.GetBytes(i), .. _blob.AsSpan(0, 700_000)];
            using var client = await RawClient.ConnectAsync(_rig.Url);
            await client.SendAsync("POST", $"/v2/a/blobs/uploads/?digest={Digest.Of(own)}", $"Content-Length: {own.Length}\r\n");
            await client.SendBytesAsync(own);
            Assert.Empty(await client.ReceiveAsync());
            Assert.Equal(own, await client.GetAsync($"/v2/a/blobs/{Digest.Of(own)}"));
        }));
    }

    [Fact]
    public async Task Body_with_another_digest_is_refused_and_the_connection_goes_on()
    {
        using var client = await RawClient.ConnectAsync(_rig.Url);
        await client.SendAsync("POST", PushPath, $"Content-Length: {Size}\r\n");
        byte[] wrong = [.. _blob];
        wrong[Size / 2] ^= 1;
        await client.SendBytesAsync(wrong);
        Assert.Contains("DIGEST_INVALID", Encoding.UTF8.GetString(await client.ReceiveAsync()), StringComparison.Ordinal);
        await PushAsync(client, Size, isChunked: false);
        Assert.Equal(_blob, await client.GetAsync(BlobPath));
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task Body_over_TLS_is_stored_byte_for_byte(string version)
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
        using var pushed = await client.PostAsync(new Uri(rig.Url, PushPath), new ByteArrayContent(_blob));
        Assert.Equal((HttpStatusCode.Created, Version.Parse(version)), (pushed.StatusCode, pushed.Version));
        Assert.Equal(_blob, await client.GetByteArrayAsync(new Uri(rig.Url, BlobPath)));
    }

    private async Task PushAsync(RawClient client, int piece, bool isChunked)
    {
        await client.SendAsync("POST", PushPath, isChunked ? "Transfer-Encoding: chunked\r\n" : $"Content-Length: {Size}\r\n");
        for (var at = 0; at < Size; at += piece)
        {
            var count = Math.Min(piece, Size - at);
            if (isChunked) await client.SendBytesAsync(Encoding.ASCII.GetBytes($"{count:x}\r\n"));
            await client.SendBytesAsync(_blob.AsMemory(at, count));
            if (isChunked) await client.SendBytesAsync("\r\n"u8.ToArray());
        }
        if (isChunked) await client.SendBytesAsync("0\r\n\r\n"u8.ToArray());
        Assert.Empty(await client.ReceiveAsync());
    }

    private async Task<int> OffsetAsync(string session)
    {
        using var answer = await _rig.Client.GetAsync(new Uri(_rig.Url, session));
        return int.Parse(GatewayRig.Header(answer, "Range")!["0-".Length..], CultureInfo.InvariantCulture) + 1;
    }

    // The gateway may learn of the hang-up after the client's next request.
    private async Task<int> SettledOffsetAsync(string session)
    {
        for (var at = await OffsetAsync(session); ;)
        {
            await Task.Delay(200);
            var next = await OffsetAsync(session);
            if (next == at) return at;
            at = next;
        }
    }
}
