using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Gateway.Oci;
using Gateway.Registry;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>The distribution-spec over HTTP, on built-in storage.</summary>
public sealed class HttpTests : IAsyncLifetime
{
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Manifest_is_returned_byte_for_byte_with_digest_headers()
    {
        var digest = await _rig.PushManifestAsync("a", "v1");

        using var answer = await _rig.SendAsync("GET", "/v2/a/manifests/v1");
        Assert.Equal(GatewayRig.ManifestBytes(), await answer.Content.ReadAsByteArrayAsync());
        Assert.Equal(MediaTypes.OciManifest, GatewayRig.Header(answer, "Content-Type"));
        Assert.Equal(digest.ToString(), GatewayRig.Header(answer, "Docker-Content-Digest"));
        Assert.Equal($"\"{digest}\"", GatewayRig.Header(answer, "ETag"));
        Assert.Equal("gateway; hit", GatewayRig.Header(answer, "Cache-Status"));
        Assert.Equal("registry/2.0", GatewayRig.Header(answer, "Docker-Distribution-Api-Version"));
    }

    [Theory]
    [InlineData("/v2/a/manifests/v1")]
    [InlineData("/v2/a/tags/list")]
    [InlineData("/v2/")]
    public async Task HEAD_is_GET_without_its_body(string path)
    {
        await _rig.PushManifestAsync("a", "v1");

        using var get = await _rig.SendAsync("GET", path);
        using var head = await _rig.SendAsync("HEAD", path);
        Assert.Equal(get.Content.Headers.ContentLength, head.Content.Headers.ContentLength);
        Assert.Equal(GatewayRig.Header(get, "ETag"), GatewayRig.Header(head, "ETag"));
        Assert.Empty(await head.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData("\"{0}\"", 304)]
    [InlineData("W/\"{0}\"", 304)]
    [InlineData("{0}", 304)]
    [InlineData("\"x\", \"{0}\"", 304)]
    [InlineData("*", 304)]
    [InlineData("\"sha256:0\"", 200)]
    public async Task Matching_If_None_Match_returns_304(string condition, int status)
    {
        var digest = await _rig.PushManifestAsync("a", "v1");

        using var answer = await _rig.SendAsync("GET", "/v2/a/manifests/v1", null, Condition());
        Assert.Equal(status, (int)answer.StatusCode);

        (string, string) Condition() => ("If-None-Match", string.Format(null, condition, digest));
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/vnd.docker.distribution.manifest.v1+prettyjws")]
    [InlineData("text/plain")]
    public async Task Manifest_of_an_unsupported_type_returns_415(string type)
    {
        using var answer = await _rig.PutManifestAsync("a", "v1", GatewayRig.ManifestBytes(), type);

        Assert.Equal((415, "UNSUPPORTED"), ((int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
    }

    [Fact]
    public async Task Manifest_beyond_the_limit_returns_413_and_keeps_the_connection()
    {
        using var answer = await _rig.PutManifestAsync("a", "v1", new byte[4 * 1024 * 1024 + 1]);

        Assert.Equal((413, "SIZE_INVALID"), ((int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
        using var next = await _rig.SendAsync("GET", "/v2/");
        Assert.Equal(200, (int)next.StatusCode);
    }

    [Fact]
    public async Task A_body_with_a_content_coding_is_415()
    {
        var content = new ByteArrayContent(GatewayRig.ManifestBytes());
        content.Headers.ContentEncoding.Add("gzip");
        content.Headers.ContentType = new(MediaTypes.OciManifest);

        using var answer = await _rig.SendAsync("PUT", "/v2/a/manifests/v1", content);
        Assert.Equal(415, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Tags_given_with_a_digest_are_all_bound_and_named()
    {
        await _rig.PushBlobAsync("a", "{}"u8.ToArray());
        var digest = Digest.Of(GatewayRig.ManifestBytes());

        using var answer = await _rig.PutManifestAsync("a", $"{digest}?tag=v1&tag=v2", GatewayRig.ManifestBytes());
        Assert.Equal("v1|v2", GatewayRig.Header(answer, "OCI-Tag"));
        Assert.Equal(["v1", "v2"], await TagsAsync("/v2/a/tags/list"));
    }

    [Fact]
    public async Task A_blob_is_served_whole_in_one_range_and_in_several()
    {
        var bytes = Encoding.ASCII.GetBytes("0123456789");
        var digest = await _rig.PushBlobAsync("a", bytes);

        using var whole = await _rig.SendAsync("GET", $"/v2/a/blobs/{digest}");
        Assert.Equal(bytes, await whole.Content.ReadAsByteArrayAsync());
        Assert.Equal("bytes", GatewayRig.Header(whole, "Accept-Ranges"));

        using var one = await _rig.SendAsync("GET", $"/v2/a/blobs/{digest}", null, ("Range", "bytes=-3"));
        Assert.Equal((206, "bytes 7-9/10"), ((int)one.StatusCode, GatewayRig.Header(one, "Content-Range")));
        Assert.Equal("789", await one.Content.ReadAsStringAsync());

        using var several = await _rig.SendAsync("GET", $"/v2/a/blobs/{digest}", null, ("Range", "bytes=0-1,8-"));
        Assert.Equal("multipart/byteranges", several.Content.Headers.ContentType?.MediaType);
        Assert.Equal(several.Content.Headers.ContentLength, (await several.Content.ReadAsByteArrayAsync()).Length);

        using var none = await _rig.SendAsync("GET", $"/v2/a/blobs/{digest}", null, ("Range", "bytes=10-"));
        Assert.Equal((416, "bytes */10"), ((int)none.StatusCode, GatewayRig.Header(none, "Content-Range")));

        using var changed = await _rig.SendAsync("GET", $"/v2/a/blobs/{digest}", null, ("Range", "bytes=0-1"), ("If-Range", "\"other\""));
        Assert.Equal(200, (int)changed.StatusCode);
    }

    [Fact]
    public async Task Blob_larger_than_the_servers_limit_is_pulled_unchanged()
    {
        var bytes = new byte[35 * 1024 * 1024 + 17];
        Random.Shared.NextBytes(bytes);
        var digest = await _rig.PushBlobAsync("a", bytes);

        Assert.Equal(bytes, await _rig.Client.GetByteArrayAsync($"/v2/a/blobs/{digest}"));
    }

    [Fact]
    public async Task Chunks_must_follow_one_another()
    {
        var session = await OpenAsync("a");
        using var first = await PatchAsync(session, "abc", "0-2");
        Assert.Equal((202, "0-2"), ((int)first.StatusCode, GatewayRig.Header(first, "Range")));

        foreach (var range in new[] { "0-2", "4-6", "2-4", "bytes 3-5/6", "5-3" })
        {
            using var wrong = await PatchAsync(session, "def", range);
            Assert.Equal((416, "0-2"), ((int)wrong.StatusCode, GatewayRig.Header(wrong, "Range")));
            Assert.Equal(GatewayRig.Header(first, "Location"), GatewayRig.Header(wrong, "Location"));
        }

        using var short_ = await PatchAsync(session, "de", "3-5");
        Assert.Equal((400, "SIZE_INVALID"), ((int)short_.StatusCode, await GatewayRig.ErrorCodeAsync(short_)));

        using var second = await PatchAsync(session, "def", "3-5");
        Assert.Equal("0-5", GatewayRig.Header(second, "Range"));
        using var closed = await _rig.SendAsync("PUT", $"{session}?digest={Digest.Of("abcdef"u8)}");
        Assert.Equal(201, (int)closed.StatusCode);
        Assert.Equal("abcdef", await _rig.Client.GetStringAsync(closed.Headers.Location));
    }

    [Fact]
    public async Task A_chunk_without_a_length_is_streamed()
    {
        var session = await OpenAsync("a");
        var content = new StreamContent(new MemoryStream(Encoding.ASCII.GetBytes("streamed")));
        content.Headers.ContentLength = null;
        var request = new HttpRequestMessage(HttpMethod.Patch, session) { Content = content };
        request.Headers.TransferEncodingChunked = true;

        using var answer = await _rig.Client.SendAsync(request);
        Assert.Equal((202, "0-7"), ((int)answer.StatusCode, GatewayRig.Header(answer, "Range")));
    }

    [Fact]
    public async Task Wrong_digest_keeps_the_session()
    {
        var session = await OpenAsync("a");
        using var _ = await PatchAsync(session, "abc", "0-2");

        using var wrong = await _rig.SendAsync("PUT", $"{session}?digest={Digest.Of("x"u8)}");
        using var missing = await _rig.SendAsync("PUT", session);
        using var right = await _rig.SendAsync("PUT", $"{session}?digest={Digest.Of("abc"u8)}");
        Assert.Equal((400, 400, 201), ((int)wrong.StatusCode, (int)missing.StatusCode, (int)right.StatusCode));
    }

    [Fact]
    public async Task Session_belongs_to_its_repository_and_ends_when_canceled()
    {
        var session = await OpenAsync("a");

        using var elsewhere = await _rig.SendAsync("GET", session.Replace("/a/", "/b/", StringComparison.Ordinal));
        using var cancelled = await _rig.SendAsync("DELETE", session);
        using var gone = await _rig.SendAsync("GET", session);
        Assert.Equal((404, 204, 404), ((int)elsewhere.StatusCode, (int)cancelled.StatusCode, (int)gone.StatusCode));
        Assert.Equal("BLOB_UPLOAD_UNKNOWN", await GatewayRig.ErrorCodeAsync(gone));
    }

    [Fact]
    public async Task Mount_links_the_blob_if_the_source_has_it_and_opens_a_session_otherwise()
    {
        var digest = await _rig.PushBlobAsync("a", "abc"u8.ToArray());

        using var mounted = await _rig.SendAsync("POST", $"/v2/b/blobs/uploads/?mount={digest}&from=a");
        using var other = await _rig.SendAsync("POST", $"/v2/c/blobs/uploads/?mount={digest}&from=nowhere");
        Assert.Equal((201, $"/v2/b/blobs/{digest}"), ((int)mounted.StatusCode, GatewayRig.Header(mounted, "Location")));
        Assert.Equal(202, (int)other.StatusCode);
    }

    [Fact]
    public async Task Tags_are_paged_in_order_by_a_relative_link()
    {
        foreach (var tag in new[] { "v2", "v10", "B", "a", "v1" }) await _rig.PushManifestAsync("a", tag);

        using var first = await _rig.SendAsync("GET", "/v2/a/tags/list?n=2");
        Assert.Equal("</v2/a/tags/list?n=2&last=a>; rel=\"next\"", GatewayRig.Header(first, "Link"));
        Assert.Equal(["B", "a"], await TagsAsync("/v2/a/tags/list?n=2"));
        Assert.Equal(["v1", "v10"], await TagsAsync("/v2/a/tags/list?n=2&last=a"));
        Assert.Equal(["v2"], await TagsAsync("/v2/a/tags/list?last=v10"));

        using var none = await _rig.SendAsync("GET", "/v2/a/tags/list?n=0");
        Assert.Equal(("""{"name":"a","tags":[]}""", null), (await none.Content.ReadAsStringAsync(), GatewayRig.Header(none, "Link")));
    }

    [Fact]
    public async Task Referrers_are_listed_under_the_exact_type_and_filtered_on_request()
    {
        var subject = await _rig.PushManifestAsync("a", "v1");
        var referrer = await _rig.PushManifestAsync("a", "", subject.ToString());

        using var all = await _rig.SendAsync("GET", $"/v2/a/referrers/{subject}");
        Assert.Equal(MediaTypes.OciIndex, GatewayRig.Header(all, "Content-Type"));
        Assert.Null(GatewayRig.Header(all, "OCI-Filters-Applied"));
        var listed = (await all.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("manifests");
        Assert.Equal(referrer.ToString(), Assert.Single(listed.EnumerateArray()).GetProperty("digest").GetString());

        using var filtered = await _rig.SendAsync("GET", $"/v2/a/referrers/{subject}?artifactType=application/vnd.other");
        Assert.Equal("artifactType", GatewayRig.Header(filtered, "OCI-Filters-Applied"));
        Assert.Empty((await filtered.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("manifests").EnumerateArray());
    }

    [Theory]
    [InlineData("/v2/none/manifests/v1", "MANIFEST_UNKNOWN")]
    [InlineData("/v2/none/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "BLOB_UNKNOWN")]
    [InlineData("/v2/none/tags/list", "NAME_UNKNOWN")]
    [InlineData("/v2/none/manifests/v1?ns=unknown.example", "NAME_UNKNOWN")]
    [InlineData("/v2/none/blobs/uploads/00", "BLOB_UPLOAD_UNKNOWN")]
    [InlineData("/-/decisions/d-none", "NAME_UNKNOWN")]
    [InlineData("/nothing", "NAME_UNKNOWN")]
    public async Task Missing_content_returns_404_with_the_code_of_its_kind(string path, string code)
    {
        using var answer = await _rig.SendAsync("GET", path);

        Assert.Equal((404, code), ((int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
        Assert.Equal("application/json", answer.Content.Headers.ContentType?.ToString());
    }

    [Fact]
    public async Task Every_response_has_Cache_Status()
    {
        foreach (var path in new[] { "/", "/v2/", "/v2/a/tags/list", "/v2/A", "/v2/_catalog", "/token" })
        {
            using var answer = await _rig.SendAsync("GET", path);
            Assert.StartsWith("gateway", GatewayRig.Header(answer, RegistryHeaders.CacheStatus), StringComparison.Ordinal);
        }
    }

    private async Task<string> OpenAsync(string repository)
    {
        using var answer = await _rig.SendAsync("POST", $"/v2/{repository}/blobs/uploads/");
        Assert.Equal((202, "0-0"), ((int)answer.StatusCode, GatewayRig.Header(answer, "Range")));
        return answer.Headers.Location!.ToString();
    }

    private Task<HttpResponseMessage> PatchAsync(string session, string text, string range) =>
        _rig.SendAsync("PATCH", session, new ByteArrayContent(Encoding.ASCII.GetBytes(text)), ("Content-Range", range));

    private async Task<string[]> TagsAsync(string path) =>
        [.. (await _rig.Client.GetFromJsonAsync<JsonElement>(path)).GetProperty("tags").EnumerateArray().Select(tag => tag.GetString()!)];
}
