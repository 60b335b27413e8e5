using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Tests of the scripted upstream, on which other tests depend.</summary>
public sealed class ScriptedUpstreamTests : IAsyncLifetime
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(200_000, seed: 1);

    private readonly HttpClient _client = new(new SocketsHttpHandler { AllowAutoRedirect = false });
    private ScriptedUpstream _upstream = null!;
    private ScriptedImage _image = null!;

    public async ValueTask InitializeAsync()
    {
        _upstream = await ScriptedUpstream.StartAsync();
        _client.BaseAddress = _upstream.Url;
        _image = _upstream.AddImage("team/app", "v1", Layer);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _upstream.DisposeAsync();
    }

    private string Blob => $"/v2/team/app/blobs/{_image.Layers[0]}";

    [Fact]
    public async Task Manifests_and_blobs_are_sent_as_a_registry_sends_them()
    {
        using var manifest = await _client.GetAsync("/v2/team/app/manifests/v1");
        Assert.Equal(_image.Manifest, await manifest.Content.ReadAsByteArrayAsync());
        Assert.Equal(_image.Digest, Assert.Single(manifest.Headers.GetValues("Docker-Content-Digest")));
        Assert.Equal(Layer, await _client.GetByteArrayAsync(Blob));
        using var absent = await _client.GetAsync("/v2/team/app/manifests/v2");
        Assert.Equal(HttpStatusCode.NotFound, absent.StatusCode);
        Assert.Equal(1, _upstream.Count(r => r.IsGet && r.IsBlob(_image.Layers[0]) && r.BytesSent == Layer.Length));
    }

    [Theory]
    [InlineData(0, 9)]
    [InlineData(100, 150_000)]
    [InlineData(199_990, 300_000)]
    public async Task Closed_range_is_answered_206(long first, long last)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Blob) { Headers = { Range = new RangeHeaderValue(first, last) } };
        using var response = await _client.SendAsync(request);
        Assert.Equal(HttpStatusCode.PartialContent, response.StatusCode);
        Assert.Equal(Layer[(int)first..(int)Math.Min(last + 1, Layer.Length)], await response.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Scripted_cut_happens_once_after_exactly_the_given_number_of_bytes()
    {
        _upstream.When(r => r.IsBlob(_image.Layers[0])).Cut(after: 70_001).Once();
        using (var response = await _client.GetAsync(Blob, HttpCompletionOption.ResponseHeadersRead))
        {
            var got = new MemoryStream();
            await Assert.ThrowsAnyAsync<Exception>(async () => await (await response.Content.ReadAsStreamAsync()).CopyToAsync(got));
            Assert.Equal(Layer[..70_001], got.ToArray());
        }
        Assert.Equal(Layer, await _client.GetByteArrayAsync(Blob));
    }

    [Fact]
    public async Task Reset_and_excessive_length_are_read_as_incomplete()
    {
        _upstream.When(r => r.IsAnyBlob).Reset(after: 70_001).Once();
        _upstream.When(r => r.IsAnyBlob).ClaimLength(Layer.Length + 1).Once();
        _upstream.When(r => r.IsAnyBlob).Chunked().Cut(after: 5).Once();
        for (var i = 0; i < 3; i++) await Assert.ThrowsAnyAsync<Exception>(() => _client.GetByteArrayAsync(Blob));
    }

    [Fact]
    public async Task Only_the_flipped_byte_differs()
    {
        _upstream.When(r => r.IsAnyBlob).Flip(at: 12_345);
        var got = await _client.GetByteArrayAsync(Blob);
        Assert.Equal([12_345], Enumerable.Range(0, Layer.Length).Where(i => got[i] != Layer[i]));
    }

    [Fact]
    public async Task Scripted_hang_ends_when_the_client_disconnects()
    {
        _upstream.When(r => r.IsAnyBlob).Hang(after: 1000);
        using var response = await _client.GetAsync(Blob, HttpCompletionOption.ResponseHeadersRead);
        var body = await response.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(new byte[1000]);
        var more = body.ReadAsync(new byte[1]).AsTask();
        await _upstream.ReceivedAsync(r => r.BytesSent == 1000);
        Assert.False(more.IsCompleted);
    }

    [Fact]
    public async Task Referrers_and_tags_are_sent_in_pages()
    {
        _upstream.PageSize = 2;
        for (var i = 0; i < 3; i++)
        {
            _upstream.AddReferrer("team/app", _image.Digest, "application/x");
            _upstream.Tag("team/app", $"t{i}", _image.Digest);
        }
        Assert.Equal([2, 1], await PageSizesAsync($"/v2/team/app/referrers/{_image.Digest}", "manifests"));
        Assert.Equal([2, 2], await PageSizesAsync("/v2/team/app/tags/list", "tags"));
    }

    [Fact]
    public async Task Token_is_required_and_valid_only_for_its_repository()
    {
        (_upstream.RequireToken().Username, _upstream.Tokens.Password) = ("me", "secret");
        using var challenged = await _client.GetAsync(Blob);
        Assert.Equal("Bearer", challenged.Headers.WwwAuthenticate.Single().Scheme);
        using var anonymous = await _client.GetAsync("/token?scope=repository:team/app:pull");
        Assert.Equal(HttpStatusCode.Unauthorized, anonymous.StatusCode);
        _client.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String("me:secret"u8));
        using var answer = JsonDocument.Parse(await _client.GetStringAsync("/token?scope=repository:team/app:pull"));
        _client.DefaultRequestHeaders.Authorization = new("Bearer", answer.RootElement.GetProperty("token").GetString());
        Assert.Equal(Layer, await _client.GetByteArrayAsync(Blob));
        using var other = await _client.GetAsync("/v2/team/other/tags/list");
        Assert.Equal(HttpStatusCode.Unauthorized, other.StatusCode);
    }

    private async Task<List<int>> PageSizesAsync(string path, string list)
    {
        var sizes = new List<int>();
        for (string? next = path; next is not null;)
        {
            using var response = await _client.GetAsync(next);
            using var page = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync());
            sizes.Add(page.RootElement.GetProperty(list).GetArrayLength());
            next = response.Headers.TryGetValues("Link", out var links) ? links.Single().Split('<', '>')[1] : null;
        }
        return sizes;
    }
}
