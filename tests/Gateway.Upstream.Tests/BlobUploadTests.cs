using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Uploads of blobs to an upstream, with a failure at each step.</summary>
public sealed class BlobUploadTests : WriterTest
{
    [Fact]
    public async Task Upload_sends_one_PATCH_and_a_PUT_without_body_as_docker_does()
    {
        await PutAsync(await WriterAsync());
        AssertArrived();
        Assert.Equal("HEAD POST PATCH PUT", Asked());
        var patch = Assert.Single(Hub.Requests, r => r.Method == "PATCH");
        Assert.Equal($"{Bytes.Length}", patch.Headers["Content-Length"]);
        Assert.Equal("application/octet-stream", patch.Headers["Content-Type"]);
        Assert.DoesNotContain("Content-Range", patch.Headers.Keys);
        var put = Assert.Single(Hub.Requests, r => r.Method == "PUT");
        Assert.Equal($"?state=2&kept=a%2Fb&digest={Uri.EscapeDataString(Digest.ToString())}", put.Query);
        Assert.Equal(0, put.BytesTaken);
    }

    [Fact]
    public async Task Blob_that_the_upstream_has_is_not_sent()
    {
        Hub.AddBlob(App, Bytes);
        var writer = await WriterAsync();
        Assert.True(await writer.HasBlobAsync(Digest, default));
        await PutAsync(writer);
        Assert.Equal("HEAD HEAD", Asked());
        Assert.Empty(Opened);
    }

    [Fact]
    public async Task Empty_blob_is_stored()
    {
        await PutAsync(await WriterAsync(), []);
        Assert.Empty(Hub.FindBlob(App, Digest.Of([]).ToString())!);
    }

    [Fact]
    public async Task Interrupted_upload_resumes_at_the_offset_that_the_upstream_reports()
    {
        Hub.When(r => r.Method == "PATCH").CutPush(after: 100_001).Once();
        await PutAsync(await WriterAsync());
        AssertArrived();
        Assert.Equal("HEAD POST PATCH GET PATCH PUT", Asked());
        Assert.Equal([0, 100_001], Opened);
        Assert.Equal("100001-299999", Hub.Requests.Last(r => r.Method == "PATCH").Headers["Content-Range"]);
    }

    [Fact]
    public async Task Upload_that_is_interrupted_many_times_succeeds_while_it_makes_progress()
    {
        Hub.When(r => r.Method == "PATCH").CutPush(after: 40_000).Times(7);
        Clock.Haste = 20;
        await PutAsync(await WriterAsync());
        AssertArrived();
        Assert.Equal(1, Hub.Count(r => r.Method == "POST"));
    }

    [Fact]
    public async Task Upload_without_progress_fails_and_deletes_its_session()
    {
        Hub.When(r => r.Method == "PATCH").CutPush(after: 0);
        Clock.Haste = 20;
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal(UpstreamFailure.Unavailable, failure.Failure);
        Assert.Equal(Backoff.MaxFruitless, Hub.Count(r => r.Method == "PATCH"));
        Assert.Equal(0, Hub.OpenSessions);
    }

    [Theory]
    [InlineData(404)]
    [InlineData(405)]
    [InlineData(400)]
    public async Task Upload_starts_a_new_session_if_the_upstream_refuses_the_status_of_the_interrupted_one(int status)
    {
        Hub.When(r => r.Method == "PATCH").CutPush(after: 100_000).Once();
        Hub.When(r => r is { IsUpload: true, IsGet: true }).Respond(status);
        await PutAsync(await WriterAsync());
        Assert.Equal(Bytes, Hub.FindBlob(App, Digest.ToString()));
        Assert.Equal([0, 0], Opened);
        Assert.Equal(2, Hub.Count(r => r.Method == "POST"));
    }

    [Fact]
    public async Task Upload_starts_a_new_session_if_the_PUT_is_answered_404()
    {
        Hub.When(r => r is { IsUpload: true, Method: "PUT" }).Respond(404).Once();
        await PutAsync(await WriterAsync());
        Assert.Equal(Bytes, Hub.FindBlob(App, Digest.ToString()));
        Assert.Equal("HEAD POST PATCH PUT HEAD POST PATCH PUT", Asked());
    }

    [Fact]
    public async Task Upload_starts_a_new_session_if_the_upstream_discards_the_resumed_bytes()
    {
        // Amazon's registry answers 201 to a second PATCH and ignores its bytes.
        Hub.When(r => r.Method == "PATCH").CutPush(after: 100_000).Once();
        Hub.When(r => r.Method == "PATCH").Respond(201).Header("Range", "0-99999").Once();
        await PutAsync(await WriterAsync());
        AssertArrived();
        Assert.Equal(2, Hub.Count(r => r.Method == "POST"));
        Assert.Equal(0, Opened.Last());
    }

    [Fact]
    public async Task Lost_response_to_the_PUT_does_not_send_the_blob_again()
    {
        Hub.When(r => r is { IsUpload: true, Method: "PUT" }).LoseAnswer().Once();
        await PutAsync(await WriterAsync());
        AssertArrived();
        Assert.Equal("HEAD POST PATCH PUT GET HEAD", Asked());
    }

    [Theory]
    [InlineData("POST", 400, "Refused")]
    [InlineData("POST", 403, "Refused")]
    [InlineData("POST", 404, "Refused")]
    [InlineData("POST", 405, "Refused")]
    [InlineData("POST", 302, "Misbehaving")]
    [InlineData("PATCH", 413, "Refused")]
    [InlineData("PATCH", 403, "Refused")]
    [InlineData("PATCH", 303, "Misbehaving")]
    [InlineData("PUT", 400, "Refused")]
    [InlineData("PUT", 409, "Refused")]
    [InlineData("PUT", 501, "Refused")]
    public async Task Refused_upload_reports_the_upstreams_error_and_leaves_no_session(string method, int status, string expected)
    {
        Hub.When(r => r.IsUpload && r.Method == method)
            .Respond(status, """{"errors":[{"code":"SIZE_INVALID","message":"too \"large\"\nfor this registry"}]}""")
            .Header("Location", "/elsewhere");
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal((expected, status), (failure.Failure.ToString(), failure.Status));
        Assert.Contains($"answered {status} to {method} upload {Digest} of {App}", failure.Message, StringComparison.Ordinal);
        Assert.Equal(1, Hub.Count(r => r.Method == method));
        Assert.Equal(0, Hub.OpenSessions);
        if (expected != "Refused") return;
        Assert.Equal(new UpstreamError("SIZE_INVALID", @"too 'large'\u000afor this registry"), failure.Error);
        Assert.EndsWith(@": SIZE_INVALID ""too 'large'\u000afor this registry""", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<html>413 Request Entity Too Large</html>")]
    [InlineData("""{"errors":[]}""")]
    [InlineData("""{"errors":[{"code":7}]}""")]
    [InlineData("[]")]
    [InlineData("")]
    public async Task Refusal_without_an_error_document_has_no_error(string body)
    {
        Hub.When(r => r.Method == "PATCH").Respond(413, body);
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal((UpstreamFailure.Refused, null), (failure.Failure, failure.Error));
    }

    [Fact]
    public async Task Upstreams_error_is_truncated_in_the_message()
    {
        Hub.When(r => r.Method == "POST").Respond(
            400, $$"""{"errors":[{"code":"{{new string('C', 500)}}","message":"{{new string('m', 50_000)}}"}]}""");
        Assert.InRange((await PutFailsAsync(await WriterAsync())).Message.Length, 300, 700);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PATCH")]
    [InlineData("PUT")]
    public async Task Temporary_failure_is_retried_except_for_the_POST(string method)
    {
        Hub.When(r => r.IsUpload && r.Method == method).Respond(503).Once();
        var writer = await WriterAsync();
        if (method == "POST") Assert.Equal(503, (await PutFailsAsync(writer)).Status);
        await PutAsync(writer);
        AssertArrived();
        Assert.Single(Opened.Distinct());
    }

    [Fact]
    public async Task Failed_pushes_do_not_stop_pulls()
    {
        Hub.When(r => r.IsWrite).Respond(500);
        var upstream = await BuildAsync();
        for (var i = 0; i < 5; i++) await PutFailsAsync(WriterFor(upstream));
        Hub.Behave();
        Hub.When(r => r.Method == "POST").RateLimit(retryAfter: "60");
        Assert.Equal(TimeSpan.FromSeconds(60), (await PutFailsAsync(WriterFor(upstream))).RetryAfter);
        await using var response = await upstream.SendAsync(Manifest(), default);
        Assert.Equal(200, response.Status);
        Assert.Null(upstream.RateLimit);
    }

    [Fact]
    public async Task Upload_resumes_after_the_upstream_stopped_reading()
    {
        Clock.Haste = 60;
        var large = ScriptedUpstream.Bytes(24 * 1024 * 1024, seed: 3);
        Hub.When(r => r.Method == "PATCH").StallPush(after: 1_000_000).Once();
        await PutAsync(await WriterAsync(), large);
        Assert.Equal(large, Hub.FindBlob(App, Digest.Of(large).ToString()));
        Assert.Equal([0, 1_000_000], Opened);
    }

    [Fact]
    public async Task Upstream_that_never_answers_the_PUT_is_unavailable()
    {
        Clock.Haste = 100;
        Hub.When(r => r is { IsUpload: true, Method: "PUT" }).HangBeforeHeaders();
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal(UpstreamFailure.Unavailable, failure.Failure);
        Assert.Contains("did not answer in time", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Response_with_another_digest_than_sent_is_misbehaving()
    {
        Hub.When(r => r is { IsUpload: true, Method: "PUT" }).ClaimDigest(Digest.Of("other"u8).ToString());
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal(UpstreamFailure.Misbehaving, failure.Failure);
        Assert.Contains(Digest.ToString(), failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answer_202_succeeds_only_if_the_upstream_has_the_blob()
    {
        Hub.When(r => r is { IsUpload: true, Method: "PUT" }).Respond(202).Once();
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal((UpstreamFailure.Misbehaving, 202), (failure.Failure, failure.Status));
        Hub.When(r => r is { IsUpload: true, Method: "PUT" }).Respond(202).Once();
        Hub.When(r => r is { IsHead: true }).Respond(404).Once();
        Hub.AddBlob(App, Bytes);
        await PutAsync(await WriterAsync());
    }

    [Fact]
    public async Task Exception_of_the_source_is_passed_through_and_does_not_count_for_the_breaker()
    {
        var upstream = await BuildAsync();
        for (var i = 0; i < 4; i++)
        {
            var thrown = await Assert.ThrowsAsync<FileNotFoundException>(() => WriterFor(upstream).PutBlobAsync(
                Digest, Bytes.Length, (_, _) => throw new FileNotFoundException("evicted"), default));
            Assert.Equal("evicted", thrown.Message);
        }
        await Assert.ThrowsAsync<EndOfStreamException>(() => WriterFor(upstream).PutBlobAsync(
            Digest, Bytes.Length, (_, _) => ValueTask.FromResult<Stream>(new MemoryStream(new byte[10])), default));
        Assert.Equal(0, Hub.OpenSessions);
        await PutAsync(WriterFor(upstream));
        AssertArrived();
    }

    [Fact]
    public async Task Canceled_upload_deletes_its_session()
    {
        using var canceled = new CancellationTokenSource();
        Hub.When(r => r.Method == "PATCH").StallPush(after: 10_000);
        var writer = await WriterAsync();
        var put = PutAsync(writer, cancellationToken: canceled.Token);
        await Hub.ReceivedAsync(r => r is { Method: "PATCH", BytesTaken: 10_000 });
        await canceled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => put);
        Assert.Equal(0, Hub.OpenSessions);
    }

    [Fact]
    public async Task All_requests_of_a_session_go_to_the_endpoint_that_opened_it()
    {
        var second = await StartAsync("127.0.0.2");
        Hub.When(r => r.Method == "POST").Respond(503).Once();
        second.When(r => r.Method == "PATCH").CutPush(after: 50_000).Once();
        await PutAsync(await WriterAsync(OptionsFor(Hub, second)));
        AssertArrived(second);
        Assert.Equal("POST PATCH GET PATCH PUT", Asked(second).Replace("HEAD ", "", StringComparison.Ordinal));
        Assert.Equal(1, Hub.Count(r => r.IsUpload));
    }
}
