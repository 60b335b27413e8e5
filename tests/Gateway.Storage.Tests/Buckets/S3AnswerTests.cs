using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>What the gateway makes of the time and the refusals of a store.</summary>
public sealed class S3AnswerTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-s3-keys-");
    private readonly AdvancedClock _clock = new();

    public void Dispose() => _folder.Delete(recursive: true);

    private S3Bucket Open(ScriptedStore store)
    {
        var (access, secret) = (Path.Combine(_folder.FullName, "access"), Path.Combine(_folder.FullName, "secret"));
        File.WriteAllText(access, "AKIDONE");
        File.WriteAllText(secret, "a-secret-key");
        var options = new S3Options("images")
        {
            Endpoint = store.Endpoint, PathStyle = true, AccessKeyFile = access, SecretKeyFile = secret, AnswerLimit = Patience.Of(2),
        };
        return S3Bucket.Open(options, _clock, NullLogger.Instance);
    }

    [Fact]
    public async Task Answer_whose_date_is_far_behind_does_not_change_the_known_time_until_that_ends()
    {
        var start = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        var date = start;
        await using var store = new ScriptedStore(request => request.AnswerAsync(200, date: date));
        using var bucket = Open(store);
        Assert.Equal(start, await TimeAfterAnswerAsync(start));
        // As of an upload that took a minute to complete.
        Assert.Equal(start, await TimeAfterAnswerAsync(start.AddMinutes(-1)));
        Assert.Equal(start.AddMinutes(3), await TimeAfterAnswerAsync(start.AddMinutes(3)));
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.Null(bucket.Time);
        Assert.Equal(start, await TimeAfterAnswerAsync(start));

        // To the minute: a busy machine takes seconds.
        async Task<DateTimeOffset> TimeAfterAnswerAsync(DateTimeOffset of)
        {
            date = of;
            await bucket.HeadAsync("a", default);
            var time = bucket.Time!.Value;
            return new(time.Ticks - (time.Ticks % TimeSpan.TicksPerMinute), TimeSpan.Zero);
        }
    }

    [Fact]
    public async Task Write_of_a_head_that_the_store_denies_is_sent_once_and_reported_as_denied()
    {
        await using var store = new ScriptedStore(request =>
            request.Method == "PUT" ? request.ErrorAsync(403, "AccessDenied") : request.AnswerAsync(304));
        using var bucket = Open(store);
        var clock = new LogClock(_clock);
        var writer = new HeadWriter(new(bucket, "", "team/app", clock.NewId), clock);
        var denied = await Assert.ThrowsAsync<BucketException>(
            () => writer.WriteAsync(LogHead.Empty, new(LogHead.Empty, "\"e\""), Guid.NewGuid()));
        Assert.True(denied.IsDenied);
        Assert.Single(store.Requests, request => request.StartsWith("PUT", StringComparison.Ordinal));
    }


    /// <summary>S3 sends the status before it has joined the parts.</summary>
    [Fact]
    public async Task Completion_that_fails_after_the_status_was_sent_is_repeated_and_then_fails()
    {
        await using var store = new ScriptedStore(request => request.ErrorAsync(200, "InternalError"));
        using var bucket = Open(store);
        await Assert.ThrowsAsync<BucketException>(async () => await bucket.CompleteMultipartAsync("a", "id", [(1, "\"e\"")], default));
        Assert.InRange(store.Requests.Count, 2, 4);
    }

    [Fact]
    public async Task Copy_of_a_part_that_fails_after_the_status_was_sent_fails()
    {
        await using var store = new ScriptedStore(request => request.ErrorAsync(200, "InternalError"));
        using var bucket = Open(store);
        await Assert.ThrowsAsync<BucketException>(async () => await bucket.CopyPartAsync("a", "id", 1, "b", default));
    }

    [Theory]
    [InlineData(403, "QuotaExceeded")]
    [InlineData(400, "XMinioAdminBucketQuotaExceeded")]
    [InlineData(507, "XMinioStorageFull")]
    public async Task Store_that_is_full_is_told_from_missing_rights(int status, string code)
    {
        await using var store = new ScriptedStore(request => request.ErrorAsync(status, code));
        using var bucket = Open(store);
        var e = await Assert.ThrowsAsync<BucketException>(
            async () => await bucket.PutAsync("a", "1"u8.ToArray(), PutCondition.None, default));
        Assert.Equal("raise the bucket's quota, or free space in the store", e.Remedy);
    }
}
