using System.Net;
using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Gateway.Configuration;
using Gateway.Tests.Registry;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>
/// One blob over every kind of listener at once: cleartext HTTP/1.1, where the gateway sends files by sendfile(2), and cleartext HTTP/2,
/// HTTP/1.1 and HTTP/2 over TLS, where the server sends them. Every byte is compared.
/// </summary>
public sealed class ListenersTests : IAsyncLifetime
{
    private const int Size = (5 << 20) + 4_321;

    // POSIX_FADV_DONTNEED of <fcntl.h>, on x86-64 and arm64.
    private const int DontNeed = 4;

    private readonly byte[] _blob = RandomNumberGenerator.GetBytes(Size);
    private readonly TestAuthority _authority = new();
    private GatewayRig _rig = null!;
    private HttpClient _client = null!;
    private string _path = "";

    public async ValueTask InitializeAsync()
    {
        _authority.WriteServer();
        _rig = await GatewayRig.StartAsync(options => options with
        {
            Tls = new(_authority["cert.pem"], _authority["key.pem"]),
            Listen =
            [
                new() { Url = new("http://127.0.0.1:0") },
                new() { Url = new("http://127.0.0.1:0"), Http2 = true },
                new() { Url = new("https://127.0.0.1:0") },
            ],
        });
        _client = _authority.Client();
        _path = $"/v2/a/blobs/{await _rig.PushBlobAsync("a", _blob)}";
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _rig.DisposeAsync();
        _authority.Dispose();
    }

    [Fact]
    public async Task Blob_is_whole_over_all_listeners_and_versions_at_once() => await Task.WhenAll(
        Enumerable.Range(0, 12).Select(async i =>
        {
            using var answer = await AskAsync(i % 4);
            Assert.Equal(_blob, await answer.Content.ReadAsByteArrayAsync());
        }));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Ranges_and_heads_are_right_over_each_listener(int kind)
    {
        foreach (var (from, to) in new[] { (0, 0), (1, 70_000), (1_048_575, 1_048_577), (Size - 1, Size - 1), (3_000_000, Size - 1) })
        {
            using var answer = await AskAsync(kind, range: new(from, to));
            Assert.Equal(HttpStatusCode.PartialContent, answer.StatusCode);
            Assert.Equal(_blob[from..(to + 1)], await answer.Content.ReadAsByteArrayAsync());
        }
        using var head = await AskAsync(kind, HttpMethod.Head);
        Assert.Equal(Size, head.Content.Headers.ContentLength);
        Assert.Empty(await head.Content.ReadAsByteArrayAsync());
        using var several = await AskAsync(kind, range: new(0, 99_999) { Ranges = { new(4_000_000, 4_999_999) } });
        var parts = await several.Content.ReadAsByteArrayAsync();
        Assert.True(parts.AsSpan().IndexOf(_blob.AsSpan(0, 100_000)) > 0);
        Assert.True(parts.AsSpan().IndexOf(_blob.AsSpan(4_000_000, 1_000_000)) > 100_000);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Client_that_leaves_in_the_middle_does_not_affect_other_clients(int kind)
    {
        for (var i = 0; i < 5; i++)
        {
            using var left = await AskAsync(kind);
            await using var body = await left.Content.ReadAsStreamAsync();
            await body.ReadExactlyAsync(new byte[(i * 300_000) + 1]);
        }
        using var answer = await AskAsync(kind);
        Assert.Equal(_blob, await answer.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Stream_of_http2_that_is_not_read_does_not_hold_another_of_its_connection(int kind)
    {
        using var unread = await AskAsync(kind);
        await using var body = await unread.Content.ReadAsStreamAsync();
        for (var i = 0; i < 3; i++)
        {
            using var answer = await AskAsync(kind);
            Assert.Equal(_blob, await answer.Content.ReadAsByteArrayAsync());
        }
        var all = new byte[Size];
        await body.ReadExactlyAsync(all);
        Assert.Equal(_blob, all);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Gateway_that_stops_in_the_middle_sends_the_rest_first(int kind)
    {
        using var answer = await AskAsync(kind);
        await using var body = await answer.Content.ReadAsStreamAsync();
        var all = new byte[Size];
        await body.ReadExactlyAsync(all.AsMemory(0, 100_000));
        var stopping = _rig.StopAsync();
        await body.ReadExactlyAsync(all.AsMemory(100_000));
        Assert.Equal(_blob, all);
        await stopping;
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Bytes_that_the_page_cache_lacks_are_read_from_the_disk(int kind)
    {
        var data = Directory.EnumerateFiles(_rig.Storage, "data", SearchOption.AllDirectories).Single(f => new FileInfo(f).Length == Size);
        for (var i = 0; i < 3; i++)
        {
            using (var file = File.OpenHandle(data)) Assert.Equal(0, Advise(file, 0, 0, DontNeed));
            using var answer = await AskAsync(kind);
            Assert.Equal(_blob, await answer.Content.ReadAsByteArrayAsync());
        }
    }

    // 0: cleartext HTTP/1.1; 1: cleartext HTTP/2; 2: HTTP/1.1 over TLS; 3: HTTP/2 over TLS.
    private Task<HttpResponseMessage> AskAsync(int kind, HttpMethod? method = null, RangeHeaderValue? range = null)
    {
        var request = new HttpRequestMessage(method ?? HttpMethod.Get, new Uri(_rig.Listening[Math.Min(kind, 2)], _path))
        {
            Version = kind is 1 or 3 ? HttpVersion.Version20 : HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        request.Headers.Range = range;
        return _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    [DllImport("libc", EntryPoint = "posix_fadvise")]
    private static extern int Advise(SafeFileHandle file, long offset, long length, int advice);
}
