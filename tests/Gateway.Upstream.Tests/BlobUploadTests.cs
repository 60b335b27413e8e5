using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>A blob on its way to an upstream, and every step of it failing.</summary>
public sealed class BlobUploadTests : WriterTest
{
    [Fact]
    public async Task A_blob_is_sent_as_docker_sends_it()
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
    public async Task What_is_there_is_not_sent_again()
    {
        Hub.AddBlob(App, Bytes);
        var writer = await WriterAsync();
        Assert.True(await writer.HasBlobAsync(Digest, default));
        await PutAsync(writer);
        Assert.Equal("HEAD HEAD", Asked());
        Assert.Empty(Opened);
    }

    [Fact]
    public async Task An_empty_blob_arrives()
    {
        await PutAsync(await WriterAsync(), []);
        Assert.Empty(Hub.FindBlob(App, Digest.Of([]).ToString())!);
    }

    [Fact]
    public async Task After_a_cut_it_goes_on_where_the_upstream_stopped()
    {
        Hub.When(r => r.Method == "PATCH").CutPush(after: 100_001).Once();
        await PutAsync(await WriterAsync());
        AssertArrived();
        Assert.Equal("HEAD POST PATCH GET PATCH PUT", Asked());
        Assert.Equal([0, 100_001], Opened);
        Assert.Equal("100001-299999", Hub.Requests.Last(r => r.Method == "PATCH").Headers["Content-Range"]);
    }

    [Fact]
    public async Task A_blob_that_is_cut_many_times_arrives_as_long_as_it_gets_further()
    {
        Hub.When(r => r.Method == "PATCH").CutPush(after: 40_000).Times(7);
        Clock.Haste = 20;
        await PutAsync(await WriterAsync());
        AssertArrived();
        Assert.Equal(1, Hub.Count(r => r.Method == "POST"));
    }

    [Fact]
    public async Task One_that_never_gets_further_is_given_up_and_leaves_no_session()
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
    public async Task Where_a_session_cannot_be_asked_after_a_cut_another_is_begun(int status)
    {
        Hub.When(r => r.Method == "PATCH").CutPush(after: 100_000).Once();
        Hub.When(r => r is { IsUpload: true, IsGet: true }).Respond(status);
        await PutAsync(await WriterAsync());
        Assert.Equal(Bytes, Hub.FindBlob(App, Digest.ToString()));
        Assert.Equal([0, 0], Opened);
        Assert.Equal(2, Hub.Count(r => r.Method == "POST"));
    }

    [Fact]
    public async Task A_session_that_is_gone_at_the_end_is_replaced()
    {
        Hub.When(r => r is { IsUpload: true, Method: "PUT" }).Respond(404).Once();
        await PutAsync(await WriterAsync());
        Assert.Equal(Bytes, Hub.FindBlob(App, Digest.ToString()));
        Assert.Equal("HEAD POST PATCH PUT HEAD POST PATCH PUT", Asked());
    }

    [Fact]
    public async Task Bytes_that_an_upstream_throws_away_are_sent_again_in_a_new_session()
    {
        // Amazon's registry takes a second PATCH for nothing and says 201.
        Hub.When(r => r.Method == "PATCH").CutPush(after: 100_000).Once();
        Hub.When(r => r.Method == "PATCH").Respond(201).Header("Range", "0-99999").Once();
        await PutAsync(await WriterAsync());
        AssertArrived();
        Assert.Equal(2, Hub.Count(r => r.Method == "POST"));
        Assert.Equal(0, Opened.Last());
    }

    [Fact]
    public async Task An_answer_that_is_lost_is_no_reason_to_send_it_twice()
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
    public async Task Each_refusal_is_told_in_the_upstreams_words_and_leaves_no_session(string method, int status, string expected)
    {
        Hub.When(r => r.IsUpload && r.Method == method)
            .Respond(status, """{"errors":[{"code":"SIZE_INVALID","message":"too \"large\"\nfor us"}]}""").Header("Location", "/elsewhere");
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal((expected, status), (failure.Failure.ToString(), failure.Status));
        Assert.Contains($"answered {status} to {method} upload {Digest} of {App}", failure.Message, StringComparison.Ordinal);
        Assert.Equal(1, Hub.Count(r => r.Method == method));
        Assert.Equal(0, Hub.OpenSessions);
        if (expected != "Refused") return;
        Assert.Equal(new UpstreamError("SIZE_INVALID", @"too 'large'\u000afor us"), failure.Error);
        Assert.EndsWith(@": SIZE_INVALID ""too 'large'\u000afor us""", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<html>413 Request Entity Too Large</html>")]
    [InlineData("""{"errors":[]}""")]
    [InlineData("""{"errors":[{"code":7}]}""")]
    [InlineData("[]")]
    [InlineData("")]
    public async Task A_refusal_without_words_is_told_without_any(string body)
    {
        Hub.When(r => r.Method == "PATCH").Respond(413, body);
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal((UpstreamFailure.Refused, null), (failure.Failure, failure.Error));
    }

    [Fact]
    public async Task Words_are_bounded()
    {
        Hub.When(r => r.Method == "POST").Respond(
            400, $$"""{"errors":[{"code":"{{new string('C', 500)}}","message":"{{new string('m', 50_000)}}"}]}""");
        Assert.InRange((await PutFailsAsync(await WriterAsync())).Message.Length, 300, 700);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PATCH")]
    [InlineData("PUT")]
    public async Task A_failure_that_passes_is_waited_for_but_for_the_first_step(string method)
    {
        Hub.When(r => r.IsUpload && r.Method == method).Respond(503).Once();
        var writer = await WriterAsync();
        if (method == "POST") Assert.Equal(503, (await PutFailsAsync(writer)).Status);
        await PutAsync(writer);
        AssertArrived();
        Assert.Single(Opened.Distinct());
    }

    [Fact]
    public async Task Pushes_that_fail_leave_pulls_alone()
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
    public async Task An_upstream_that_takes_no_more_bytes_is_given_up_and_gone_on_with()
    {
        Clock.Haste = 60;
        var large = ScriptedUpstream.Bytes(24 * 1024 * 1024, seed: 3);
        Hub.When(r => r.Method == "PATCH").StallPush(after: 1_000_000).Once();
        await PutAsync(await WriterAsync(), large);
        Assert.Equal(large, Hub.FindBlob(App, Digest.Of(large).ToString()));
        Assert.Equal([0, 1_000_000], Opened);
    }

    [Fact]
    public async Task An_upstream_that_never_answers_is_unavailable()
    {
        Clock.Haste = 100;
        Hub.When(r => r is { IsUpload: true, Method: "PUT" }).HangBeforeHeaders();
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal(UpstreamFailure.Unavailable, failure.Failure);
        Assert.Contains("did not answer in time", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_digest_than_was_sent_is_no_success()
    {
        Hub.When(r => r is { IsUpload: true, Method: "PUT" }).ClaimDigest(Digest.Of("other"u8).ToString());
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal(UpstreamFailure.Misbehaving, failure.Failure);
        Assert.Contains(Digest.ToString(), failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_202_is_believed_when_the_blob_is_there()
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
    public async Task What_the_source_throws_passes_through_and_is_no_fault_of_the_upstreams()
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
    public async Task Who_leaves_ends_the_session()
    {
        using var left = new CancellationTokenSource();
        Hub.When(r => r.Method == "PATCH").StallPush(after: 10_000);
        var writer = await WriterAsync();
        var put = PutAsync(writer, cancellationToken: left.Token);
        await Hub.ReceivedAsync(r => r is { Method: "PATCH", BytesTaken: 10_000 });
        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => put);
        Assert.Equal(0, Hub.OpenSessions);
    }

    [Fact]
    public async Task All_of_a_session_goes_to_the_endpoint_that_opened_it()
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
