using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// The kernel fails a flush. The request that needed it is not acknowledged, and nothing is written until a restart. The flush is not
/// retried, because a second one would succeed without the data. Tested for each kind of flush, at each step that needs it.
/// </summary>
public sealed class FlushFailureTests : FlushScenario
{
    [Fact]
    public async Task Failed_flush_is_not_acknowledged_and_nothing_is_written_until_a_restart()
    {
        // Every error that a flush can have, each more than once.
        (string Error, Func<Task<Step>> Prepare)[] steps =
        [
            ("EIO", NewSegmentAsync), ("EIO", UploadDataAsync), ("ENOSPC", UploadFolderAsync), ("EDQUOT", LinkedBlobAsync),
            ("EROFS", TagAsync), ("ENOSPC", LargeManifestAsync), ("EIO", LargeManifestNameAsync), ("EROFS", MountAsync),
            ("EIO", DeletedTagAsync), ("EDQUOT", DeletedManifestAsync), ("EROFS", DeletedBlobAsync), ("EIO", HeldAsync),
            ("ENOSPC", PromotedAsync), ("EIO", StagedBlobAsync), ("EDQUOT", ForwardedLaterAsync), ("EINVAL", TagAsync),
        ];
        foreach (var (error, prepare) in steps)
            await AssertEndsWritesAsync(prepare.Method.Name, error, prepare);
    }

    private async Task AssertEndsWritesAsync(string name, string error, Func<Task<Step>> prepare)
    {
        var step = await prepare();
        await using (var kernel = await FailingKernel.AttachAsync(Gateway.Server.Id, step.Call, error, step.Paths))
        {
            using var refused = await step.Act();
            Assert.True(kernel.Failed.Length > 0, $"{name}: expected a failed flush, got none");
            Assert.True((int)refused.StatusCode == 503, $"{name}: {error}: expected 503, got {(int)refused.StatusCode}");
            await RawClient.ExpectErrorAsync(refused, 503, "UNAVAILABLE");
        }

        // Flushes succeed again, and the kernel does not report what it lost. The address of the upload has its old offset, so it gets 416
        // now.
        await AssertTakesNoWritesAsync(name);
        using (var repeated = await step.Act())
        {
            var status = (int)repeated.StatusCode;
            Assert.True(status is 503 or 404 or 416, $"{name}: expected 503, 404 or 416 for the repeated request, got {status}");
        }
        await AssertKeptAsync();

        await Gateway.StartAgainAsync();
        await AssertKeptAsync();
        if (name == nameof(UploadDataAsync) || name == nameof(UploadFolderAsync))
        {
            using var session = await step.Act();
            await RawClient.ExpectErrorAsync(session, 404, "BLOB_UPLOAD_UNKNOWN");
        }
        using var well = await (await prepare()).Act();
        Assert.True(well.IsSuccessStatusCode, $"{name}: expected success after a restart, got {(int)well.StatusCode}");
    }

    [Fact]
    public async Task Fetched_file_whose_flush_failed_is_not_stored_and_pulls_pass_through()
    {
        var layer = OciLayout.Noise(2, 300_000);
        using (var there = new RawClient(Registry.Host))
            await there.ImageAsync("team/app", "1", layer);
        var digest = Described.Sha256(layer);
        using (await Raw.GetAsync("/v2/mirror/team/app/manifests/1")) { }
        var part = $"{Gateway.Storage}/gateway/fetches/sha256-{digest[7..]}.part";
        await using (var kernel = await FailingKernel.AttachAsync(Gateway.Server.Id, "fsync,fdatasync", "EIO", part))
        {
            await AssertPulledAsync(digest);
            await Eventually.TrueAsync(() => Task.FromResult(kernel.Failed.Length > 0), () => "the fetched file was not flushed");
        }
        await AssertTakesNoWritesAsync("fetched file");
        await AssertPulledAsync(digest);
        Assert.False(File.Exists(part), "expected no partial file, which may be damaged");
        Assert.False(File.Exists($"{Gateway.Storage}/gateway/cache/v2/blobs/sha256/{digest[7..9]}/{digest[7..]}/data"));

        await Gateway.StartAgainAsync();
        await AssertPulledAsync(digest);
    }

    [Fact]
    public async Task Failed_checkpoint_keeps_the_journal_and_ends_writes()
    {
        // A segment ends at 16 MiB.
        var pushed = new List<string>();
        var config = await Raw.BlobAsync("team/app", "config"u8.ToArray(), OciLayout.ImageConfig);
        while (JournalBytes() < 15 << 20)
            Assert.True(await TryPushAsync(config, pushed));
        var before = Segments();
        await using (var kernel = await FailingKernel.AttachAsync(Gateway.Server.Id, "syncfs", "EIO"))
        {
            while (await TryPushAsync(config, pushed) && kernel.Failed.Length == 0)
                Assert.True(pushed.Count < 400, "no checkpoint after 20 MiB");
            Assert.NotEmpty(kernel.Failed);
        }
        await AssertTakesNoWritesAsync("checkpoint");
        Assert.Subset(Segments().ToHashSet(), before.ToHashSet());

        await Gateway.StartAgainAsync();
        foreach (var digest in pushed)
        {
            using var answer = await Raw.GetAsync($"/v2/team/app/manifests/{digest}");
            await RawClient.ExpectAsync(answer, HttpStatusCode.OK);
        }
        Assert.Empty(Segments());
    }

    [Theory]
    [InlineData("syncfs", "")]
    [InlineData("fdatasync,fsync", "gateway/sequence")]
    public async Task Failed_flush_during_shutdown_keeps_the_journal(string call, string file)
    {
        var before = Segments();
        Assert.NotEmpty(before);
        string[] paths = file.Length > 0 ? [$"{Gateway.Storage}/{file}", $"{Gateway.Storage}/gateway/tmp/sequence"] : [];
        await using (var kernel = await FailingKernel.AttachAsync(Gateway.Server.Id, call, "EIO", paths))
        {
            await Gateway.Server.StopAsync();
            Assert.NotEmpty(kernel.Failed);
        }
        Assert.Subset(Segments().ToHashSet(), before.ToHashSet());
        await Gateway.StartAgainAsync();
        await AssertKeptAsync();
        Assert.Empty(Segments());
    }

    [Theory]
    [InlineData("syncfs", "")]
    [InlineData("fdatasync,fsync", "gateway/start")]
    public async Task Gateway_whose_flush_fails_during_startup_serves_pulls_and_reports_it(string call, string file)
    {
        var before = Segments();
        await Gateway.Server.KillAsync();
        string[] paths = file.Length > 0 ? [$"{Gateway.Storage}/{file}"] : [];
        await Gateway.StartAgainAsync(health: "/livez", by: FailingKernel.Command(call, "EIO", paths));

        await AssertTakesNoWritesAsync($"start, {call}");
        await AssertKeptAsync();
        Assert.Equal(before, Segments());
        await Gateway.StartAgainAsync();
        await AssertKeptAsync();
    }
}
