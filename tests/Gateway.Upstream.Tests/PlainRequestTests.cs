using Gateway.Oci;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Requests to an upstream without authentication and without failures.</summary>
public sealed class PlainRequestTests : UpstreamTest
{
    [Fact]
    public async Task Response_has_type_length_and_digest_of_the_manifest()
    {
        var upstream = await BuildAsync();
        var response = await upstream.SendAsync(Manifest(), default);
        Assert.Equal(
            (200, MediaTypes.OciManifest, Image.Manifest.Length, Digest.Parse(Image.Digest), $"\"{Image.Digest}\"", Hub.Url),
            (response.Status, response.ContentType, (int)response.Length!, response.DigestClaim, response.ETag, response.Endpoint));
        Assert.Equal(Image.Manifest, await ReadAsync(response));
        var received = Assert.Single(Hub.Requests);
        Assert.Equal(MediaTypes.AcceptManifests, received.Headers["Accept"]);
        Assert.Equal("identity", received.Headers["Accept-Encoding"]);
    }

    [Fact]
    public async Task HEAD_returns_the_length_of_GET_and_no_body()
    {
        var upstream = await BuildAsync();
        await using var response = await upstream.SendAsync(Manifest(method: HttpMethod.Head), default);
        Assert.Equal(Image.Manifest.Length, response.Length);
        Assert.Empty(await ReadAsync(response));
        Assert.True(Assert.Single(Hub.Requests).IsHead);
    }

    [Fact]
    public async Task Range_request_is_closed_and_returns_the_range()
    {
        var upstream = await BuildAsync();
        var response = await upstream.SendAsync(Blob((10, 19)) with { IfRange = $"\"{Image.Layers[0]}\"" }, default);
        Assert.Equal((206, (10, 19, Layer.Length)), (response.Status, response.ContentRange));
        Assert.Equal(Layer[10..20], await ReadAsync(response));
        Assert.Equal("bytes=10-19", Assert.Single(Hub.Requests).Range);
    }

    [Fact]
    public async Task Answers_404_and_416_are_returned_to_the_caller()
    {
        var upstream = await BuildAsync();
        await using var absent = await upstream.SendAsync(Manifest("other"), default);
        await using var beyond = await upstream.SendAsync(Blob((Layer.Length, Layer.Length + 9)), default);
        Assert.Equal((404, 416), (absent.Status, beyond.Status));
    }

    [Fact]
    public async Task Page_of_referrers_has_the_query_of_the_next_page()
    {
        Hub.PageSize = 1;
        Hub.AddReferrer(Name, Image.Digest, "application/a");
        Hub.AddReferrer(Name, Image.Digest, "application/a");
        var upstream = await BuildAsync();
        var request = new UpstreamRequest(HttpMethod.Get, UpstreamNoun.Referrers, RepositoryName.Parse(Name), Image.Digest);
        await using var first = await upstream.SendAsync(request with { Query = "artifactType=application%2Fa" }, default);
        Assert.Equal("n=1&last=1", first.NextQuery);
        await using var second = await upstream.SendAsync(request with { Query = first.NextQuery }, default);
        Assert.Null(second.NextQuery);
    }

    [Fact]
    public async Task Tags_are_returned()
    {
        var upstream = await BuildAsync();
        var request = new UpstreamRequest(HttpMethod.Get, UpstreamNoun.Tags, RepositoryName.Parse(Name), "");
        await using var response = await upstream.SendAsync(request, default);
        Assert.Equal($$"""{"name":"{{Name}}","tags":["latest"]}""", new StreamReader(response.Body).ReadToEnd());
    }

    [Fact]
    public async Task No_connection_is_made_before_the_first_request()
    {
        await BuildAsync();
        Assert.Empty(Hub.Requests);
    }

    [Fact]
    public async Task Reference_that_would_change_the_path_is_not_sent()
    {
        var upstream = await BuildAsync();
        await Assert.ThrowsAsync<ArgumentException>(() => upstream.SendAsync(Manifest("../../x"), default));
        Assert.Empty(Hub.Requests);
    }
}
