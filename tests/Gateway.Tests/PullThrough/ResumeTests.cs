using Gateway.Oci;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Downloads that break or stall, and upstreams that send wrong headers or wrong bytes.</summary>
public sealed class ResumeTests
{
    private const int MiB = 1 << 20;
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(6 * MiB, seed: 11);

    [Fact]
    public async Task Interrupted_download_is_resumed_by_one_closed_range()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Cut(after: 2_000_000).Header("ETag", "\"one\"").Once();
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        var resumed = rig.Hub.Requests.Last(r => r.IsGet);
        Assert.Equal($"bytes=2000000-{Layer.Length - 1}", resumed.Range);
        Assert.Equal("\"one\"", resumed.Headers["If-Range"]);
        Assert.Equal(2, rig.Gets(digest));
        await rig.SettleAsync();
        Assert.True(rig.IsStored(digest));
    }

    [Fact]
    public async Task Weak_etag_is_not_sent_back()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Cut(after: 5_000_000).Header("ETag", "W/\"one\"").Once();
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        Assert.DoesNotContain("If-Range", rig.Hub.Requests.Last(r => r.IsGet).Headers.Keys);
    }

    [Fact]
    public async Task Upstream_that_ignores_the_range_is_read_from_its_beginning()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.Range is null).Reset(after: 3_000_000).Once();
        rig.Hub.When(r => r.IsGet && r.Range is not null).NoRanges();
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
    }

    /// <summary>Answers to a range of an upstream, or the store behind it, that answers a GET of the whole blob.</summary>
    public static TheoryData<int, string?> RangeRefusals => new()
    {
        { 400, null }, { 403, null }, { 404, null }, { 405, null }, { 416, null }, { 501, null }, { 206, null }, { 206, "bytes 7-9/10" },
    };

    [Theory]
    [MemberData(nameof(RangeRefusals))]
    public async Task Download_that_cannot_be_resumed_is_restarted_at_once(int status, string? contentRange)
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Cut(after: MiB).Once();
        RefuseRanges(rig, status, contentRange);
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        Assert.Equal(3, rig.Gets(digest));
        await rig.SettleAsync();
        Assert.True(rig.IsStored(digest));
        Assert.Empty(rig.Parts);
    }

    [Theory]
    [MemberData(nameof(RangeRefusals))]
    public async Task Part_of_an_earlier_process_blocks_no_later_request(int status, string? contentRange)
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        await LeavePartAsync(rig, digest);
        RefuseRanges(rig, status, contentRange);
        var gets = rig.Gets(digest);
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        Assert.Equal(gets + 2, rig.Gets(digest));
    }

    [Fact]
    public async Task Purge_removes_a_part_of_an_earlier_process()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        await LeavePartAsync(rig, digest);
        var cached = rig.Volume.CachedRepositories;
        Assert.InRange(cached.BytesOf(Rig.D(digest)), 1, Layer.Length - 1);
        var freed = await cached.RemoveAsync(new("hub", RepositoryName.Parse(Rig.Name)), [Rig.D(digest)], default);
        Assert.InRange(freed, 1, Layer.Length - 1);
        Assert.Empty(rig.Parts);
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
    }

    private static void RefuseRanges(Rig rig, int status, string? contentRange)
    {
        var rule = rig.Hub.When(r => r.IsGet && r.Range is not null).Respond(status);
        if (contentRange is not null) rule.Header("Content-Range", contentRange);
    }

    /// <summary>A first GET that is cut, and an upstream that answers nothing until the gateway gives up.</summary>
    private static async Task LeavePartAsync(Rig rig, string digest)
    {
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Cut(after: MiB).Once();
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Drop();
        await Assert.ThrowsAnyAsync<Exception>(() => Rig.ReadAsync(rig.Backing, digest));
        await rig.SettleAsync();
        Assert.Single(rig.Parts);
        rig.Hub.Behave();
        rig.Clock.Advance(TimeSpan.FromMinutes(1));
        await rig.RestartAsync();
    }

    [Fact]
    public async Task Stalled_download_is_resumed()
    {
        await using var rig = await Rig.StartAsync(speed: 10);
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Hang(after: 1_000_000).Once();
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
    }

    [Fact]
    public async Task Broken_endpoint_is_replaced_by_another_of_the_same_upstream()
    {
        await using var rig = await Rig.StartAsync(hubs: 2);
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.OtherHub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Cut(after: 3_000_000);
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        Assert.Equal($"bytes=3000000-{Layer.Length - 1}", rig.OtherHub.Requests.Single(r => r.IsGet && r.IsBlob(digest)).Range);
    }

    [Fact]
    public async Task Readers_fail_with_a_broken_body_if_no_source_has_the_rest_and_the_part_is_resumed_later()
    {
        await using var rig = await Rig.StartAsync(speed: 10);
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.Range is null).Cut(after: 3_000_000);
        rig.Hub.When(r => r.IsGet && r.Range is not null).Respond(500);
        await using (var content = await Rig.OpenAsync(rig.Backing, digest))
        {
            var body = new Body();
            await Assert.ThrowsAnyAsync<IOException>(async () => await content.CopyToAsync(body, 0, null, default));
            Assert.Equal(3_000_000, body.Length);
        }
        await rig.SettleAsync();
        Assert.False(rig.IsStored(digest));
        Assert.Single(rig.Parts);
        rig.Hub.Behave();
        rig.Clock.Advance(TimeSpan.FromMinutes(1));
        await rig.RestartAsync();
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        Assert.Equal($"bytes=3000000-{Layer.Length - 1}", rig.Hub.Requests.Last(r => r.IsGet).Range);
        await rig.SettleAsync();
        Assert.Empty(rig.Parts);
    }

    [Fact]
    public async Task Fetch_that_a_stop_interrupts_is_resumed_after_the_start()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Hang(after: 4 * MiB).Once();
        await using (var content = await Rig.OpenAsync(rig.Backing, digest))
        {
            var body = new Body();
            var reading = content.CopyToAsync(body, 0, null, default).AsTask();
            await Rig.UntilAsync(() => body.Length == 4 * MiB);
            await rig.RestartAsync();
            await Assert.ThrowsAnyAsync<IOException>(() => reading);
        }
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        Assert.Equal($"bytes={4 * MiB}-{Layer.Length - 1}", rig.Hub.Requests.Last(r => r.IsGet).Range);
    }

    [Fact]
    public async Task Part_that_was_damaged_on_disk_is_detected_and_fetched_again()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Hang(after: 4 * MiB).Once();
        await using (var content = await Rig.OpenAsync(rig.Backing, digest))
        {
            var body = new Body();
            _ = content.CopyToAsync(body, 0, null, default).AsTask().ContinueWith(t => t.Exception, TaskScheduler.Default);
            await Rig.UntilAsync(() => body.Length == 4 * MiB);
            await rig.Fetches.DisposeAsync();
        }
        await using (var part = File.OpenWrite(Assert.Single(rig.Parts)))
        {
            part.Position = 17;
            part.WriteByte((byte)~Layer[17]);
        }
        await rig.RestartAsync();
        // The wrong bytes are detected at the end of the first attempt, or before any reader has read them. They are never sent as the
        // whole blob.
        try
        {
            Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        }
        catch (IOException)
        {
            Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        }
    }

    [Fact]
    public async Task After_wrong_bytes_the_blob_is_verified_before_its_first_byte_and_another_endpoint_is_used()
    {
        await using var rig = await Rig.StartAsync(hubs: 2);
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.OtherHub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Flip(at: 5_000_000);
        await Assert.ThrowsAnyAsync<IOException>(() => Rig.ReadAsync(rig.Backing, digest));
        await using var content = await Rig.OpenAsync(rig.Backing, digest);
        Assert.True(content.IsVerified);
        Assert.Equal(Layer, await Rig.ReadAsync(content));
        Assert.Equal(1, rig.OtherHub.Count(r => r.IsGet && r.IsBlob(digest)));
    }

    [Fact]
    public async Task End_of_a_suspect_blob_alone_is_not_served()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Flip(at: 5_000_000);
        await Assert.ThrowsAnyAsync<IOException>(() => Rig.ReadAsync(rig.Backing, digest));
        var last = new BlobUse(BlobUseKind.Range, Layer.Length - 1, Layer.Length - 1);
        Assert.IsType<Result<IContent>.Unavailable>(await rig.Backing.OpenBlobAsync(Rig.D(digest), last, default));
    }

    [Fact]
    public async Task Small_blob_with_wrong_bytes_is_not_sent_and_is_requested_once_more()
    {
        await using var rig = await Rig.StartAsync();
        var small = ScriptedUpstream.Bytes(100_000, seed: 12);
        var digest = rig.Hub.AddBlob(Rig.Name, small);
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Flip(at: 99_999).Once();
        Assert.Equal(small, await Rig.ReadAsync(rig.Backing, digest));
        Assert.Equal(2, rig.Gets(digest));
    }

    [Fact]
    public async Task Small_blob_that_stays_wrong_is_unavailable_before_any_byte()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, ScriptedUpstream.Bytes(100_000, seed: 13));
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Flip(at: 0);
        Assert.IsType<Result<IContent>.Unavailable>(await rig.Backing.OpenBlobAsync(Rig.D(digest), BlobUse.Whole, default));
        await rig.SettleAsync();
        Assert.False(rig.IsStored(digest));
    }

    [Fact]
    public async Task Length_that_contradicts_the_manifest_is_refused_before_the_first_byte()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        await rig.LinkAsync(digest, Layer.Length + 1);
        var answer = Assert.IsType<Result<IContent>.Unavailable>(await rig.Backing.OpenBlobAsync(Rig.D(digest), BlobUse.Whole, default));
        Assert.Contains($"{Layer.Length}", answer.Why, StringComparison.Ordinal);
        await rig.SettleAsync();
        Assert.Empty(rig.Parts);
    }

    [Fact]
    public async Task Blob_of_unknown_length_is_fetched()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsBlob(digest)).Chunked().Header("Content-Length", null);
        await rig.LinkAsync(digest, -1);
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        await rig.SettleAsync();
        Assert.True(rig.IsStored(digest));
    }

    [Fact]
    public async Task Empty_blob_is_a_blob()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, []);
        Assert.Empty(await Rig.ReadAsync(rig.Backing, digest));
    }

    [Fact]
    public async Task Upstream_that_is_down_is_unavailable_with_a_time_to_retry()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(_ => true).Respond(503).Header("Retry-After", "7");
        var answer = Assert.IsType<Result<IContent>.Unavailable>(await rig.Backing.OpenBlobAsync(Rig.D(digest), BlobUse.Whole, default));
        Assert.InRange(answer.RetryAfter!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(7));
        Assert.Contains("hub", answer.Why, StringComparison.Ordinal);
    }
}
