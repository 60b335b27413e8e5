using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>What a call does when the store, the network or the credentials fail.</summary>
public sealed class S3FailureTests : IDisposable
{
    private const string Secret = "a-secret-key";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-s3-keys-");
    private readonly LogText _log = new();

    public S3FailureTests() => WriteKeys("AKIDONE");

    public void Dispose()
    {
        _folder.Delete(recursive: true);
        _log.Dispose();
    }

    private string PathOf(string name) => Path.Combine(_folder.FullName, name);

    private void WriteKeys(string access)
    {
        File.WriteAllText(PathOf("access"), access);
        File.WriteAllText(PathOf("secret"), Secret);
    }

    private S3Options OptionsFor(Uri endpoint) => new("images")
    {
        Endpoint = endpoint,
        PathStyle = true,
        AccessKeyFile = PathOf("access"),
        SecretKeyFile = PathOf("secret"),
        AnswerLimit = Patience.Of(2),
        BodyLimit = Patience.Of(1),
    };

    private S3Bucket Open(Uri endpoint, S3Checksums checksums = S3Checksums.Auto) =>
        S3Bucket.Open(OptionsFor(endpoint) with { Checksums = checksums }, TimeProvider.System, _log);

    private static async Task<BucketException> FailsAsync(Func<ValueTask> call) =>
        await Assert.ThrowsAsync<BucketException>(async () => await call());

    private static async ValueTask PutAsync(S3Bucket bucket, PutCondition condition) =>
        await bucket.PutAsync("a", "1"u8.ToArray(), condition, default);

    [Theory]
    [InlineData(503, "SlowDown")]
    [InlineData(500, "InternalError")]
    [InlineData(409, "ConcurrentModification")]
    public async Task Read_is_repeated_while_the_store_cannot_answer(int status, string code)
    {
        await using var store = new ScriptedStore(request =>
            request.Number < 3 ? request.ErrorAsync(status, code) : request.AnswerAsync(200, "hello"));
        using var bucket = Open(store.Endpoint);
        Assert.Equal(5, (await bucket.ReadAsync("a", 10, null, default)).Bytes.Length);
        Assert.Equal(3, store.Requests.Count);
    }

    [Fact]
    public async Task Read_of_a_store_that_stays_overloaded_ends_with_its_code()
    {
        await using var store = new ScriptedStore(request => request.ErrorAsync(503, "SlowDown"));
        using var bucket = Open(store.Endpoint);
        var failed = await FailsAsync(async () => await bucket.HeadAsync("a", default));
        Assert.Equal((503, "SlowDown"), (failed.Status, failed.Code));
        Assert.Equal(
            $"bucket images at {store.Endpoint.GetLeftPart(UriPartial.Authority)}: get a: expected success, got 503 SlowDown; "
            + "the store is overloaded or has a fault; the gateway tries again with later requests",
            failed.Message);
        Assert.InRange(store.Requests.Count, 1, 4);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Conditional_write_whose_connection_breaks_is_sent_once(bool isNew)
    {
        // The first request makes a connection that the second one uses again: a client may think that the store had closed it.
        await using var store = new ScriptedStore(request =>
            request.Number == 1 ? request.AnswerAsync(200) : request.CutAsync());
        using var bucket = Open(store.Endpoint);
        await bucket.HeadAsync("a", default);
        var failed = await FailsAsync(() => PutAsync(bucket, isNew ? PutCondition.Absent : PutCondition.Match("\"e\"")));
        Assert.Null(failed.Status);
        Assert.Equal(["GET /images/a", "PUT /images/a"], store.Requests);
    }

    [Fact]
    public async Task Conditional_write_of_an_overloaded_store_is_sent_once()
    {
        await using var store = new ScriptedStore(request => request.ErrorAsync(503, "SlowDown"));
        using var bucket = Open(store.Endpoint);
        Assert.Equal(503, (await FailsAsync(() => PutAsync(bucket, PutCondition.Absent))).Status);
        Assert.Single(store.Requests);
    }

    [Fact]
    public async Task Unconditional_write_whose_connection_breaks_is_sent_again()
    {
        await using var store = new ScriptedStore(request =>
            request.Number == 1 ? request.CutAsync() : request.AnswerAsync(200));
        using var bucket = Open(store.Endpoint);
        await PutAsync(bucket, PutCondition.None);
        Assert.Equal(2, store.Requests.Count);
    }

    [Theory]
    [InlineData(412, "PreconditionFailed", true)]
    [InlineData(409, "ConditionalRequestConflict", true)]
    [InlineData(404, "NoSuchKey", false)]
    public async Task Refused_condition_is_told_from_other_failures(int status, string code, bool isNew)
    {
        await using var store = new ScriptedStore(request => request.ErrorAsync(status, code));
        using var bucket = Open(store.Endpoint);
        await Assert.ThrowsAsync<PreconditionFailedException>(
            async () => await PutAsync(bucket, isNew ? PutCondition.Absent : PutCondition.Match("\"e\"")));
    }

    [Fact]
    public async Task Missing_bucket_is_not_a_missing_object()
    {
        await using var store = new ScriptedStore(request => request.ErrorAsync(404, "NoSuchBucket"));
        using var bucket = Open(store.Endpoint);
        Assert.Contains("create the bucket", (await FailsAsync(async () => await bucket.HeadAsync("a", default))).Message);
        Assert.Contains("create the bucket", (await FailsAsync(() => bucket.DeleteAsync("a", default))).Message);
        Assert.Contains("create the bucket", (await FailsAsync(() => PutAsync(bucket, PutCondition.Match("\"e\"")))).Message);
    }

    [Fact]
    public async Task Bucket_that_can_only_be_read_is_named_with_the_right_that_is_missing()
    {
        await using var store = new ScriptedStore(request =>
            request.Method == "PUT" ? request.ErrorAsync(403, "AccessDenied") : request.AnswerAsync(200, "1"));
        using var bucket = Open(store.Endpoint);
        Assert.NotNull(await bucket.HeadAsync("a", default));
        var failed = await FailsAsync(() => PutAsync(bucket, PutCondition.None));
        Assert.EndsWith(
            "put a: expected success, got 403 AccessDenied; allow the access key to read, write, delete and list in this bucket",
            failed.Message);
        Assert.Equal(2, store.Requests.Count);
    }

    [Fact]
    public async Task Rotated_keys_are_used_at_once_after_the_store_refused_the_former()
    {
        await using var store = new ScriptedStore(request => request["Authorization"]!.Contains("AKIDTWO", StringComparison.Ordinal)
            ? request.AnswerAsync(200, "1")
            : request.ErrorAsync(403, "InvalidAccessKeyId"));
        using var bucket = Open(store.Endpoint);
        Assert.Contains($"correct the keys in {PathOf("access")}", (await FailsAsync(() => PutAsync(bucket, PutCondition.Absent))).Message);
        WriteKeys("AKIDTWO");
        await PutAsync(bucket, PutCondition.Absent);
        Assert.Contains("Read other keys for bucket images", _log.Text);
    }

    [Fact]
    public async Task Calls_that_the_store_refused_together_all_use_the_rotated_keys()
    {
        var (refused, all) = (0, new TaskCompletionSource());
        await using var store = new ScriptedStore(async request =>
        {
            if (request["Authorization"]!.Contains("AKIDTWO", StringComparison.Ordinal)) await request.AnswerAsync(200, "1");
            else
            {
                if (Interlocked.Increment(ref refused) == 4) all.SetResult();
                if (request.Number > 1) await all.Task;
                await request.ErrorAsync(403, "InvalidAccessKeyId");
            }
        });
        // No key is read again because time passes.
        using var bucket = S3Bucket.Open(OptionsFor(store.Endpoint), new AdvancedClock(), _log);
        await FailsAsync(() => PutAsync(bucket, PutCondition.Absent));
        WriteKeys("AKIDTWO");
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => PutAsync(bucket, PutCondition.Absent).AsTask()));
        Assert.Equal(7, store.Requests.Count);
    }

    [Fact]
    public async Task Key_file_that_cannot_be_read_is_named()
    {
        File.Delete(PathOf("secret"));
        await using var store = new ScriptedStore(request => request.AnswerAsync(200));
        using var bucket = Open(store.Endpoint);
        Assert.Contains(PathOf("secret"), (await FailsAsync(() => PutAsync(bucket, PutCondition.None))).Message);
        Assert.Empty(store.Requests);
    }

    [Fact]
    public async Task Store_that_says_keys_does_not_bring_them_into_a_message()
    {
        await using var store = new ScriptedStore(request => request.ErrorAsync(403, "SignatureDoesNotMatch", $"AKIDONE {Secret}"));
        using var bucket = Open(store.Endpoint);
        var failed = (await FailsAsync(() => PutAsync(bucket, PutCondition.None))).ToString();
        Assert.DoesNotContain(Secret, failed + _log.Text);
        Assert.DoesNotContain("AKIDONE", failed + _log.Text);
    }

    [Fact]
    public async Task Store_that_does_not_answer_is_given_up_in_time()
    {
        await using var store = new ScriptedStore(_ => Task.Delay(Timeout.Infinite));
        using var bucket = Open(store.Endpoint);
        var clock = Stopwatch.StartNew();
        var failed = await FailsAsync(() => PutAsync(bucket, PutCondition.Absent));
        Assert.Matches("got no answer within [0-9]+ s; check the network", failed.Message);
        Assert.True(clock.Elapsed < Patience.Of(20));
    }

    [Fact]
    public async Task Endpoint_without_a_store_is_given_up_in_time()
    {
        using var bucket = Open(new("http://127.0.0.1:1"));
        var failed = await FailsAsync(async () => await bucket.HeadAsync("a", default));
        Assert.EndsWith(
            "got Connection refused; check that the store runs and that storage.s3.endpoint is its address", failed.Message);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Body_that_is_cut_or_stalls_fails(bool isCut)
    {
        await using var store = new ScriptedStore(async request =>
        {
            await request.AnswerAsync(200, "12345", length: 10);
            if (isCut) await request.CutAsync();
            else await Task.Delay(Timeout.Infinite);
        });
        using var bucket = Open(store.Endpoint);
        await using var body = (await bucket.OpenAsync("a", 0, null, default))!;
        using var read = new MemoryStream();
        var failed = await Assert.ThrowsAsync<BucketException>(() => body.Bytes.CopyToAsync(read));
        Assert.Contains("expected all bytes of the object", failed.Message);
        Assert.Equal(5, read.Length);
    }

    [Fact]
    public async Task Checksum_is_left_out_after_a_store_refused_it()
    {
        await using var store = new ScriptedStore(request => request["x-amz-checksum-crc32c"] is null
            ? request.AnswerAsync(200)
            : request.ErrorAsync(400, "InvalidRequest"));
        using var bucket = Open(store.Endpoint);
        await PutAsync(bucket, PutCondition.Absent);
        await PutAsync(bucket, PutCondition.Absent);
        Assert.Equal(3, store.Requests.Count);
        Assert.Contains("refused a checksum with InvalidRequest", _log.Text);
    }

    [Theory]
    [InlineData(S3Checksums.On, true)]
    [InlineData(S3Checksums.Off, false)]
    public async Task Checksum_is_sent_as_configured(S3Checksums checksums, bool isSent)
    {
        string? sent = null;
        await using var store = new ScriptedStore(request =>
        {
            sent = request["x-amz-checksum-crc32c"];
            return request.AnswerAsync(200);
        });
        using var bucket = Open(store.Endpoint, checksums);
        await PutAsync(bucket, PutCondition.None);
        Assert.Equal(isSent ? "kPWZ4w==" : null, sent); // CRC-32C of "1": 0x90F599E3
    }

    [Fact]
    public async Task Completion_whose_answer_was_lost_is_found_done()
    {
        await using var store = new ScriptedStore(request =>
        {
            if (request.Method == "GET") return request.AnswerAsync(200, "x", etag: "\"abc-1\"");
            return request.Number == 1 ? request.CutAsync() : request.ErrorAsync(404, "NoSuchUpload");
        });
        using var bucket = Open(store.Endpoint);
        await bucket.CompleteMultipartAsync("a", "id", [(1, "\"e\"")], default);
        Assert.Equal(3, store.Requests.Count);
    }

    [Fact]
    public async Task Completion_of_an_upload_that_has_ended_otherwise_fails()
    {
        await using var store = new ScriptedStore(request => request.ErrorAsync(404, "NoSuchUpload"));
        using var bucket = Open(store.Endpoint);
        await FailsAsync(() => bucket.CompleteMultipartAsync("a", "id", [(1, "\"e\"")], default));
    }
}
