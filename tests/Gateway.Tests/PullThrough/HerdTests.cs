using Gateway.Oci;
using Gateway.PullThrough;
using Gateway.Storage;
using Gateway.Tests.Configuration;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>One download for all readers, which get its bytes while it runs.</summary>
public sealed class HerdTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public async Task Fifty_requests_for_one_cold_blob_cost_one_upstream_GET()
    {
        await using var rig = await Rig.StartAsync();
        var layer = ScriptedUpstream.Bytes(8 * MiB, seed: 1);
        var digest = rig.Hub.AddBlob(Rig.Name, layer);
        var bodies = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() => Rig.ReadAsync(rig.Backing, digest))));
        Assert.All(bodies, body => Assert.Equal(layer, body));
        Assert.Equal(1, rig.Gets(digest));
        Assert.Equal(0, rig.Heads(digest));
        await rig.SettleAsync();
        Assert.Equal(layer, await Rig.ReadAsync(rig.Backing, digest));
        Assert.Equal(1, rig.Gets(digest));
        Assert.Empty(rig.Parts);
    }

    // Between the look at the disk and the fetch, another fetch or a push may have stored the blob.
    [Fact]
    public async Task Fetch_of_a_blob_that_was_stored_meanwhile_says_so_and_logs_no_failure()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, ScriptedUpstream.Bytes(1000, seed: 3));
        await Rig.ReadAsync(rig.Backing, digest);
        await rig.SettleAsync();
        var log = new LineLogger();
        await using var table = new FetchTable(rig.Volume.Fetches, rig.Volume.Content, rig.Clock, log);
        var source = new UpstreamRepository(rig.Options, rig.Registry, RepositoryName.Parse(Rig.Name), rig.Clock);

        var (fetch, _) = table.Join(Rig.D(digest), null, source);
        var ended = await Assert.ThrowsAsync<FetchException>(() => fetch.Verified);
        await fetch.LeaveAsync();
        await Rig.UntilAsync(() => table.Count == 0);

        Assert.Equal((FetchFailure.OnDisk, 1), (ended.Failure, rig.Gets(digest)));
        Assert.Empty(log.Lines);
    }

    [Fact]
    public async Task Readers_get_bytes_as_soon_as_they_are_written_and_the_last_byte_after_verification()
    {
        await using var rig = await Rig.StartAsync();
        var layer = ScriptedUpstream.Bytes(6 * MiB, seed: 2);
        var digest = rig.Hub.AddBlob(Rig.Name, layer);
        // Hangs one byte before the end, so that all other bytes can be read but nothing is verified.
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Hang(after: layer.Length - 1).Once();
        await using var first = await Rig.OpenAsync(rig.Backing, digest);
        await using var second = await Rig.OpenAsync(rig.Backing, digest);
        var (one, two) = (new Body(), new Body());
        var (reading, alsoReading) = (
            first.CopyToAsync(one, 0, null, default).AsTask(), second.CopyToAsync(two, 0, null, default).AsTask());
        await Rig.UntilAsync(() => one.Length == layer.Length - 1 && two.Length == layer.Length - 1);
        Assert.False(reading.IsCompleted || alsoReading.IsCompleted || first.IsVerified);
    }

    [Fact]
    public async Task Last_byte_is_held_until_the_digest_matches()
    {
        await using var rig = await Rig.StartAsync();
        var layer = ScriptedUpstream.Bytes(6 * MiB, seed: 3);
        var digest = rig.Hub.AddBlob(Rig.Name, layer);
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Flip(at: 3 * MiB).Once();
        await using var content = await Rig.OpenAsync(rig.Backing, digest);
        var body = new Body();
        await Assert.ThrowsAnyAsync<IOException>(async () => await content.CopyToAsync(body, 0, null, default));
        Assert.True(body.Length < layer.Length);
        await rig.SettleAsync();
        Assert.False(rig.IsStored(digest));
        Assert.Empty(rig.Parts);
    }

    [Fact]
    public async Task Disconnected_client_does_not_stop_the_fetch()
    {
        await using var rig = await Rig.StartAsync();
        var layer = ScriptedUpstream.Bytes(6 * MiB, seed: 4);
        var digest = rig.Hub.AddBlob(Rig.Name, layer);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).WaitFor(gate.Task);
        using (var impatient = new CancellationTokenSource())
        {
            var opening = rig.Backing.OpenBlobAsync(Rig.D(digest), BlobUse.Whole, impatient.Token).AsTask();
            await rig.Hub.ReceivedAsync(r => r.IsGet && r.IsBlob(digest));
            await impatient.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening);
        }
        gate.SetResult();
        await rig.SettleAsync();
        Assert.True(rig.IsStored(digest));
        Assert.Equal(layer, await Rig.ReadAsync(rig.Backing, digest));
        Assert.Equal(1, rig.Gets(digest));
    }

    [Fact]
    public async Task Client_that_disconnects_halfway_does_not_stop_other_readers()
    {
        await using var rig = await Rig.StartAsync();
        var layer = ScriptedUpstream.Bytes(6 * MiB, seed: 5);
        var digest = rig.Hub.AddBlob(Rig.Name, layer);
        await using var leaving = await Rig.OpenAsync(rig.Backing, digest);
        await using var staying = await Rig.OpenAsync(rig.Backing, digest);
        await Assert.ThrowsAsync<ClientHungUpException>(
            async () => await leaving.CopyToAsync(new Body(hangsUpAfter: 100_000), 0, null, default));
        Assert.Equal(layer, await Rig.ReadAsync(staying));
        Assert.Equal(1, rig.Gets(digest));
    }

    [Fact]
    public async Task Two_upstreams_with_the_same_blob_share_a_fetch_once_both_have_vouched()
    {
        await using var rig = await Rig.StartAsync(hubs: 2, apart: true);
        var layer = ScriptedUpstream.Bytes(6 * MiB, seed: 6);
        var digest = rig.Hub.AddBlob(Rig.Name, layer);
        rig.OtherHub.AddBlob("their/app", layer);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet).WaitFor(gate.Task);
        var one = Task.Run(() => Rig.ReadAsync(rig.Backing, digest));
        await rig.Hub.ReceivedAsync(r => r.IsGet);
        var two = Task.Run(() => Rig.ReadAsync(rig.Pull("their/app", "other"), digest));
        await rig.OtherHub.ReceivedAsync(r => r.IsHead);
        gate.SetResult();
        Assert.Equal(layer, await one);
        Assert.Equal(layer, await two);
        Assert.Equal(1, rig.Gets(digest));
    }

    [Fact]
    public async Task Blob_of_another_repository_is_served_without_a_fetch_only_after_the_upstream_vouched()
    {
        await using var rig = await Rig.StartAsync();
        var layer = ScriptedUpstream.Bytes(2 * MiB, seed: 7);
        var digest = rig.Hub.AddBlob(Rig.Name, layer);
        await Rig.ReadAsync(rig.Backing, digest);
        await rig.SettleAsync();
        Assert.IsType<Result<IContent>.Absent>(await rig.Pull("other/app").OpenBlobAsync(Rig.D(digest), BlobUse.Whole, default));
        rig.Hub.AddBlob("third/app", layer);
        Assert.Equal(layer, await Rig.ReadAsync(rig.Pull("third/app"), digest));
        // A 404 to HEAD is confirmed by a GET.
        Assert.Equal(1, rig.Hub.Count(r => r.IsGet && r.Status == 200));
        Assert.Equal(2, rig.Gets(digest));
    }

    [Fact]
    public async Task Cached_blobs_are_served_while_the_upstream_is_down_and_after_a_restart()
    {
        await using var rig = await Rig.StartAsync();
        var layer = ScriptedUpstream.Bytes(5 * MiB, seed: 8);
        var digest = rig.Hub.AddBlob(Rig.Name, layer);
        await Rig.ReadAsync(rig.Backing, digest);
        await rig.SettleAsync();
        rig.Hub.When(_ => true).Respond(503);
        await rig.RestartAsync();
        Assert.Equal(layer, await Rig.ReadAsync(rig.Backing, digest));
    }

    [Fact]
    public async Task Absent_blob_is_requested_once_and_then_cached_as_absent()
    {
        await using var rig = await Rig.StartAsync();
        var digest = ScriptedUpstream.DigestOf("nowhere"u8);
        for (var i = 0; i < 3; i++)
            Assert.IsType<Result<IContent>.Absent>(await rig.Backing.OpenBlobAsync(Rig.D(digest), BlobUse.Whole, default));
        Assert.Equal(["GET"], rig.Hub.Requests.Select(r => r.Method));
        rig.Clock.Advance(TimeSpan.FromSeconds(31));
        await rig.Backing.OpenBlobAsync(Rig.D(digest), BlobUse.Head, default);
        Assert.Equal(["GET", "HEAD", "GET"], rig.Hub.Requests.Select(r => r.Method));
    }
}
