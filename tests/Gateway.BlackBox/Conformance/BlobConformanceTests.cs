using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Conformance;

/// <summary>Blobs according to the distribution-spec: every way of pushing, with both digest algorithms; reading; deleting.</summary>
public class BlobConformanceTests(RegistryFixture fixture) : IClassFixture<RegistryFixture>, IDisposable
{
    private const string Repository = "conformance/blobs";

    private readonly RawClient _raw = new(fixture.Registry.Host);

    public static TheoryData<string> Algorithms => ["sha256", "sha512"];

    [Theory]
    [MemberData(nameof(Algorithms))]
    public async Task Blob_pushed_by_post_and_put_is_served(string algorithm)
    {
        var (bytes, digest) = Blob(algorithm, 1);

        using var pushed = await _raw.SendAsync(
            HttpMethod.Put, RawClient.WithDigest(await OpenAsync(algorithm), digest), RawClient.Body(bytes));

        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        Assert.Equal(digest, pushed.Headers.GetValues("Docker-Content-Digest").Single());
        await AssertServedAsync(bytes, digest, pushed.Headers.Location!);
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public async Task Blob_pushed_by_one_post_is_stored_or_an_upload_is_opened_for_it(string algorithm)
    {
        var (bytes, digest) = Blob(algorithm, 2);

        using var pushed = await _raw.SendAsync(HttpMethod.Post, $"/v2/{Repository}/blobs/uploads/?digest={digest}", RawClient.Body(bytes));

        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created); // 202 would be allowed; the gateway promises 201
        await AssertServedAsync(bytes, digest, pushed.Headers.Location!);
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public async Task Blob_pushed_in_chunks_is_served(string algorithm)
    {
        var (bytes, digest) = Blob(algorithm, 3);
        var location = await OpenAsync(algorithm);

        for (var from = 0; from < bytes.Length; from += 20_000)
        {
            using var accepted = await _raw.SendAsync(
                HttpMethod.Patch, location, RawClient.Chunk(bytes[from..Math.Min(bytes.Length, from + 20_000)], from));
            await RawClient.ExpectAsync(accepted, HttpStatusCode.Accepted);
            Assert.Equal($"0-{Math.Min(bytes.Length, from + 20_000) - 1}", Range(accepted));
            location = accepted.Headers.Location!.OriginalString;
        }
        using var closed = await _raw.SendAsync(HttpMethod.Put, RawClient.WithDigest(location, digest), RawClient.Body([]));

        await RawClient.ExpectAsync(closed, HttpStatusCode.Created);
        await AssertServedAsync(bytes, digest, closed.Headers.Location!);
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public async Task Last_chunk_may_come_with_the_put(string algorithm)
    {
        var (bytes, digest) = Blob(algorithm, 4);
        var location = await OpenAsync(algorithm);
        using var accepted = await _raw.SendAsync(HttpMethod.Patch, location, RawClient.Chunk(bytes[..30_000], 0));

        using var closed = await _raw.SendAsync(
            HttpMethod.Put, RawClient.WithDigest(accepted.Headers.Location!.OriginalString, digest),
            RawClient.Chunk(bytes[30_000..], 30_000));

        await RawClient.ExpectAsync(closed, HttpStatusCode.Created);
        await AssertServedAsync(bytes, digest, closed.Headers.Location!);
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public async Task Blob_streamed_without_a_length_is_served(string algorithm)
    {
        var (bytes, digest) = Blob(algorithm, 5);

        using var accepted = await _raw.SendAsync(
            HttpMethod.Patch, await OpenAsync(algorithm), RawClient.Body(bytes), ("Transfer-Encoding", "chunked"));
        await RawClient.ExpectAsync(accepted, HttpStatusCode.Accepted);
        using var closed = await _raw.SendAsync(
            HttpMethod.Put, RawClient.WithDigest(accepted.Headers.Location!.OriginalString, digest), RawClient.Body([]));

        await RawClient.ExpectAsync(closed, HttpStatusCode.Created);
        await AssertServedAsync(bytes, digest, closed.Headers.Location!);
    }

    [Fact]
    public async Task Empty_blob_is_a_blob()
    {
        using var pushed = await _raw.PushBlobAsync(Repository, []);

        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        await AssertServedAsync([], Described.Sha256([]), pushed.Headers.Location!);
    }

    [Fact]
    public async Task Chunk_out_of_order_returns_416_and_the_upload_continues_where_it_was()
    {
        var (bytes, digest) = Blob("sha256", 6);
        var location = await _raw.OpenUploadAsync(Repository);
        using var first = await _raw.SendAsync(HttpMethod.Patch, location, RawClient.Chunk(bytes[..10_000], 0));
        location = first.Headers.Location!.OriginalString;

        using var gap = await _raw.SendAsync(HttpMethod.Patch, location, RawClient.Chunk(bytes[20_000..], 20_000));
        using var again = await _raw.SendAsync(HttpMethod.Patch, location, RawClient.Chunk(bytes[..10_000], 0));

        await RawClient.ExpectAsync(gap, HttpStatusCode.RequestedRangeNotSatisfiable);
        await RawClient.ExpectAsync(again, HttpStatusCode.RequestedRangeNotSatisfiable);
        using var status = await _raw.GetAsync(location);
        await RawClient.ExpectAsync(status, HttpStatusCode.NoContent);
        Assert.Equal("0-9999", Range(status));
        using var closed = await _raw.SendAsync(
            HttpMethod.Put, RawClient.WithDigest(status.Headers.Location!.OriginalString, digest),
            RawClient.Chunk(bytes[10_000..], 10_000));
        await RawClient.ExpectAsync(closed, HttpStatusCode.Created);
    }

    [Fact]
    public async Task Canceled_upload_is_not_found()
    {
        var location = await _raw.OpenUploadAsync(Repository);

        using var cancelled = await _raw.DeleteAsync(location);

        await RawClient.ExpectAsync(cancelled, HttpStatusCode.NoContent);
        using var status = await _raw.GetAsync(location);
        await RawClient.ExpectErrorAsync(status, 404, "BLOB_UPLOAD_UNKNOWN");
    }

    [Fact]
    public async Task Content_of_another_digest_is_refused_and_not_served()
    {
        var (bytes, digest) = Blob("sha256", 7);

        using var pushed = await _raw.PushBlobAsync(Repository, [.. bytes, 0], digest);

        await RawClient.ExpectErrorAsync(pushed, 400, "DIGEST_INVALID");
        using var served = await _raw.GetAsync($"/v2/{Repository}/blobs/{digest}");
        await RawClient.ExpectErrorAsync(served, 404, "BLOB_UNKNOWN");
    }

    [Fact]
    public async Task Upload_cannot_be_closed_without_a_digest()
    {
        using var closed = await _raw.SendAsync(HttpMethod.Put, await _raw.OpenUploadAsync(Repository), RawClient.Body([1]));

        await RawClient.ExpectErrorAsync(closed, 400, "DIGEST_INVALID");
    }

    [Fact]
    public async Task Absent_blob_returns_404_for_get_head_and_delete()
    {
        var digest = Described.Sha256("absent"u8);

        using var get = await _raw.GetAsync($"/v2/{Repository}/blobs/{digest}");
        using var head = await _raw.HeadAsync($"/v2/{Repository}/blobs/{digest}");
        using var delete = await _raw.DeleteAsync($"/v2/{Repository}/blobs/{digest}");

        await RawClient.ExpectErrorAsync(get, 404, "BLOB_UNKNOWN");
        Assert.Equal(HttpStatusCode.NotFound, head.StatusCode);
        await RawClient.ExpectErrorAsync(delete, 404, "BLOB_UNKNOWN");
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public async Task Deleted_blob_is_not_found_and_can_be_pushed_again(string algorithm)
    {
        var (bytes, digest) = Blob(algorithm, 8);
        var session = RawClient.WithDigest(await OpenAsync(algorithm), digest);
        using (var pushed = await _raw.SendAsync(HttpMethod.Put, session, RawClient.Body(bytes)))
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);

        using var deleted = await _raw.DeleteAsync($"/v2/{Repository}/blobs/{digest}");

        await RawClient.ExpectAsync(deleted, HttpStatusCode.Accepted);
        using (var gone = await _raw.GetAsync($"/v2/{Repository}/blobs/{digest}"))
            await RawClient.ExpectErrorAsync(gone, 404, "BLOB_UNKNOWN");
        using var again = await _raw.SendAsync(
            HttpMethod.Put, RawClient.WithDigest(await OpenAsync(algorithm), digest), RawClient.Body(bytes));
        await RawClient.ExpectAsync(again, HttpStatusCode.Created);
        await AssertServedAsync(bytes, digest, again.Headers.Location!);
    }

    /// <summary>Range header, expected status, and the first byte and the one after the last.</summary>
    [Theory]
    [InlineData("bytes=0-499", 206, 0, 500)]
    [InlineData("bytes=500-1499", 206, 500, 1500)]
    [InlineData("bytes=59999-", 206, 59_999, 60_000)]
    [InlineData("bytes=-500", 206, 59_500, 60_000)]
    [InlineData("bytes=0-99999", 206, 0, 60_000)]
    [InlineData("bytes=-99999", 206, 0, 60_000)]
    [InlineData("bytes=60000-", 416, 0, 0)]
    [InlineData("bytes=500-0", 416, 0, 0)] // RFC 9110 would ignore it; the conformance suite expects 416
    [InlineData("lines=1-2", 200, 0, 60_000)]
    public async Task Range_is_answered_with_its_bytes_or_416(string range, int status, int from, int to)
    {
        var (bytes, _) = Blob("sha256", 10);
        var blob = await _raw.BlobAsync(Repository, bytes, "any");

        using var answer = await _raw.GetAsync($"/v2/{Repository}/blobs/{blob.Digest}", ("Range", range));

        Assert.Equal(status, (int)answer.StatusCode);
        if (status == 416)
        {
            Assert.Equal("bytes */60000", answer.Content.Headers.GetValues("Content-Range").Single());
            return;
        }
        Assert.Equal(bytes[from..to], await answer.Content.ReadAsByteArrayAsync());
        if (status == 206)
            Assert.Equal($"bytes {from}-{to - 1}/60000", answer.Content.Headers.GetValues("Content-Range").Single());
    }

    [Fact]
    public async Task Several_ranges_return_multipart()
    {
        var (bytes, _) = Blob("sha256", 11);
        var blob = await _raw.BlobAsync(Repository, bytes, "any");

        using var answer = await _raw.GetAsync($"/v2/{Repository}/blobs/{blob.Digest}", ("Range", "bytes=0-99,1000-1999"));

        await RawClient.ExpectAsync(answer, HttpStatusCode.PartialContent);
        Assert.Equal("multipart/byteranges", answer.Content.Headers.ContentType!.MediaType);
        var boundary = answer.Content.Headers.ContentType.Parameters.Single(p => p.Name == "boundary").Value!.Trim('"');
        var text = System.Text.Encoding.Latin1.GetString(await answer.Content.ReadAsByteArrayAsync());
        var parts = text.Split($"--{boundary}").Where(part => part.Contains("\r\n\r\n", StringComparison.Ordinal))
            .Select(part => part.Split("\r\n\r\n", 2)).ToArray();
        Assert.Contains("bytes 0-99/60000", parts[0][0], StringComparison.Ordinal);
        Assert.Contains("bytes 1000-1999/60000", parts[1][0], StringComparison.Ordinal);
        Assert.Equal(bytes[..100], System.Text.Encoding.Latin1.GetBytes(parts[0][1])[..100]);
        Assert.Equal(bytes[1000..2000], System.Text.Encoding.Latin1.GetBytes(parts[1][1])[..1000]);
    }

    public void Dispose()
    {
        _raw.Dispose();
        GC.SuppressFinalize(this);
    }

    private static (byte[] Bytes, string Digest) Blob(string algorithm, int seed)
    {
        var bytes = OciLayout.Noise(seed + (algorithm == "sha512" ? 1000 : 0), 60_000);
        return (bytes, algorithm == "sha512" ? Described.Sha512(bytes) : Described.Sha256(bytes));
    }

    private static string Range(HttpResponseMessage answer) =>
        (answer.Headers.TryGetValues("Range", out var values) ? values : answer.Content.Headers.GetValues("Range")).Single();

    private Task<string> OpenAsync(string algorithm) =>
        _raw.OpenUploadAsync(Repository, algorithm == "sha256" ? "" : $"?digest-algorithm={algorithm}");

    private async Task AssertServedAsync(byte[] bytes, string digest, Uri location)
    {
        foreach (var target in (string[])[$"/v2/{Repository}/blobs/{digest}", location.OriginalString])
        {
            using var head = await _raw.HeadAsync(target);
            await RawClient.ExpectAsync(head, HttpStatusCode.OK);
            Assert.Equal(bytes.Length, head.Content.Headers.ContentLength);
            Assert.Equal(digest, head.Headers.GetValues("Docker-Content-Digest").Single());
            using var get = await _raw.GetAsync(target);
            Assert.Equal(bytes, await get.Content.ReadAsByteArrayAsync());
        }
    }
}
