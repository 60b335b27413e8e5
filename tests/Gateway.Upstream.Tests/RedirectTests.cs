using System.Net;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>The gateway follows redirects within the trust boundary.</summary>
public sealed class RedirectTests : UpstreamTest
{
    private ScriptedUpstream _storage = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _storage = await StartAsync("127.0.0.2");
        _storage.AddBlob(Name, Layer);
    }

    private string BlobPath => $"/v2/{Name}/blobs/{Image.Layers[0]}";

    private void RedirectBlobs(int status = 307) => Hub.When(r => r.IsAnyBlob).Redirect(new Uri(_storage.Url, BlobPath), status);

    [Theory]
    [InlineData(301)]
    [InlineData(302)]
    [InlineData(303)]
    [InlineData(307)]
    [InlineData(308)]
    public async Task Listed_host_receives_the_range_and_never_the_token(int status)
    {
        Hub.RequireToken();
        // The upstream sends a challenge first, so that the redirected request has an Authorization header to remove.
        Hub.When(r => r.IsAnyBlob && r.Authorization is not null).Redirect(new Uri(_storage.Url, BlobPath), status);
        var upstream = await BuildAsync(OptionsFor(Hub) with { Redirects = ["127.0.0.2"] });
        Assert.Equal(Layer[5..11], await ReadAsync(await upstream.SendAsync(Blob((5, 10)), default)));
        var received = Assert.Single(_storage.Requests);
        Assert.Equal(("bytes=5-10", null), (received.Range, received.Authorization));
        Assert.StartsWith("Bearer ", Hub.Requests[^1].Authorization, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Redirect_to_the_same_host_and_port_keeps_the_token()
    {
        Hub.RequireToken();
        var byDigest = new Uri(Hub.Url, $"/v2/{Name}/manifests/{Image.Digest}");
        Hub.When(r => r.IsManifest("latest") && r.Authorization is not null).Redirect(byDigest);
        Assert.Equal(Image.Manifest, await ReadAsync(await (await BuildAsync()).SendAsync(Manifest(), default)));
    }

    [Fact]
    public async Task Redirect_to_another_port_of_the_same_host_does_not_carry_the_token()
    {
        var other = await StartAsync();
        other.AddBlob(Name, Layer);
        Hub.RequireToken();
        Hub.When(r => r.IsAnyBlob && r.Authorization is not null).Redirect(new Uri(other.Url, BlobPath));
        var upstream = await BuildAsync(OptionsFor(Hub) with { Redirects = [$"127.0.0.1:{other.Url.Port}"] });
        Assert.Equal(Layer, await ReadAsync(await upstream.SendAsync(Blob(), default)));
        Assert.Null(Assert.Single(other.Requests).Authorization);
    }

    [Fact]
    public async Task Redirects_are_not_cached()
    {
        RedirectBlobs();
        var upstream = await BuildAsync(OptionsFor(Hub) with { Redirects = ["127.0.0.2"] });
        for (var i = 0; i < 2; i++) await ReadAsync(await upstream.SendAsync(Blob(), default));
        Assert.Equal((2, 2), (Hub.Requests.Count, _storage.Requests.Count));
    }

    [Fact]
    public async Task Advisory_row_4_no_connection_to_a_private_address_that_is_not_configured()
    {
        RedirectBlobs();
        var failure = await FailureOfAsync(await BuildAsync(), Blob());
        Assert.Equal(UpstreamFailure.Misbehaving, failure.Failure);
        Assert.Contains("redirects", failure.Message, StringComparison.Ordinal);
        Assert.Empty(_storage.Requests);
    }

    [Fact]
    public async Task Advisory_row_4_no_connection_to_a_name_that_resolves_to_a_private_address()
    {
        Hub.When(r => r.IsAnyBlob).Redirect(new Uri($"http://cdn.example:{_storage.Url.Port}{BlobPath}"));
        var resolved = new List<string>();
        Task<IPAddress[]> Resolve(string host, CancellationToken cancellationToken)
        {
            resolved.Add(host);
            return Task.FromResult(new[] { IPAddress.Parse("127.0.0.2") });
        }
        Assert.Equal(UpstreamFailure.Misbehaving, (await FailureOfAsync(await BuildAsync(OptionsFor(Hub), Resolve), Blob())).Failure);
        Assert.Equal(["cdn.example"], resolved);
        Assert.Empty(_storage.Requests);
        var listed = await BuildAsync(OptionsFor(Hub) with { Redirects = ["*.example"] }, Resolve);
        Assert.Equal(Layer, await ReadAsync(await listed.SendAsync(Blob(), default)));
    }

    [Theory]
    [InlineData("file:///etc/passwd")]
    [InlineData("http://user:pw@127.0.0.2/x")]
    [InlineData("gopher://127.0.0.2/")]
    public async Task Redirect_to_an_address_other_than_plain_http_is_not_followed(string location)
    {
        Hub.When(r => r.IsAnyBlob).Respond(307).Header("Location", location);
        var upstream = await BuildAsync(OptionsFor(Hub) with { Redirects = ["127.0.0.2"] });
        Assert.Equal(UpstreamFailure.Misbehaving, (await FailureOfAsync(upstream, Blob())).Failure);
    }

    [Fact]
    public async Task Redirect_loop_ends_after_five_redirects()
    {
        Hub.When(r => r.IsAnyBlob).Redirect(new Uri(Hub.Url, BlobPath));
        Assert.Equal(UpstreamFailure.Misbehaving, (await FailureOfAsync(await BuildAsync(), Blob())).Failure);
        Assert.Equal(6, Hub.Requests.Count);
    }

    [Fact]
    public async Task Redirect_from_https_to_http_is_not_followed()
    {
        var secure = await StartAsync("127.0.0.3", https: true);
        secure.When(r => r.IsAnyBlob).Redirect(new Uri(_storage.Url, BlobPath));
        var options = OptionsFor(secure) with { CertificateAuthority = FileWith(secure.AuthorityPem), Redirects = ["127.0.0.2"] };
        Assert.Equal(UpstreamFailure.Misbehaving, (await FailureOfAsync(await BuildAsync(options), Blob())).Failure);
        Assert.Empty(_storage.Requests);
    }

    [Fact]
    public async Task Storage_that_refuses_a_signed_address_is_unavailable()
    {
        RedirectBlobs();
        _storage.When(_ => true).Respond(403);
        var upstream = await BuildAsync(OptionsFor(Hub) with { Redirects = ["127.0.0.2"] });
        Assert.Equal(UpstreamFailure.Unavailable, (await FailureOfAsync(upstream, Blob())).Failure);
    }
}
