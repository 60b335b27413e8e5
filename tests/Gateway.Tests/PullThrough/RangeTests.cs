using Gateway.Oci;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Ranges and headers of cold blobs.</summary>
public sealed class RangeTests
{
    private const int MiB = 1 << 20;
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(24 * MiB, seed: 31);
    private static readonly BlobUse Far = new(BlobUseKind.Range, 16 * MiB, (17 * MiB) - 1);

    [Fact]
    public async Task Far_range_is_answered_at_once_while_the_whole_blob_is_fetched_once()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet && r.Range is null).WaitFor(gate.Task);
        var found = Assert.IsType<Result<IContent>.Found>(await rig.Backing.OpenBlobAsync(Rig.D(digest), Far, default));
        await using (var content = found.Value)
        {
            Assert.False(content.IsVerified);
            Assert.Equal((ForwardReason.Range, CacheDetail.Unverified), (found.Handling.Forward, found.Handling.Detail));
            Assert.Equal(Layer.Length, content.Length);
            Assert.Equal(Layer[(16 * MiB)..(17 * MiB)], await Rig.ReadAsync(content, 16 * MiB, MiB));
        }
        var range = rig.Hub.Requests.Single(r => r.Range is not null);
        Assert.Equal($"bytes={16 * MiB}-{(17 * MiB) - 1}", range.Range);
        gate.SetResult();
        await rig.SettleAsync();
        Assert.True(rig.IsStored(digest));
        Assert.Equal(1, rig.Hub.Count(r => r.IsGet && r.Range is null));
    }

    // The headers of a response are made when it is sent. If the fetch has ended by then, they no longer say "unverified".
    [Fact]
    public async Task Far_range_is_sent_from_the_verified_file_if_the_fetch_ended_first()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet && r.Range is null).WaitFor(gate.Task);
        rig.Hub.When(r => r.IsGet && r.Range is not null).Flip(at: (16 * MiB) + 100);
        await using var content = await Rig.OpenAsync(rig.Backing, digest, Far);
        gate.SetResult();
        await Rig.UntilAsync(() => content.IsVerified);
        Assert.Equal(Layer[(16 * MiB)..(17 * MiB)], await Rig.ReadAsync(content, 16 * MiB, MiB));
    }

    [Fact]
    public async Task Early_range_takes_at_most_four_MiB_at_a_time()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet && r.Range is null).WaitFor(gate.Task);
        await using var content = await Rig.OpenAsync(rig.Backing, digest, new(BlobUseKind.Range, 8 * MiB));
        var reading = Task.Run(() => Rig.ReadAsync(content, 8 * MiB, 16 * MiB));
        await Rig.UntilAsync(() => rig.Hub.Count(r => r.Range is not null) == 4);
        gate.SetResult();
        Assert.Equal(Layer[(8 * MiB)..], await reading);
        Assert.Equal($"bytes={8 * MiB}-{(12 * MiB) - 1}", rig.Hub.Requests.First(r => r.Range is not null).Range);
    }

    [Fact]
    public async Task Suffix_range_is_answered_early()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet && r.Range is null).WaitFor(gate.Task);
        await using var content = await Rig.OpenAsync(rig.Backing, digest, new(BlobUseKind.Range, -1000));
        Assert.Equal(Layer[^1000..], await Rig.ReadAsync(content, Layer.Length - 1000, 1000));
        gate.SetResult();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reader_follows_the_fetch_if_the_upstream_does_not_send_the_early_range(bool cut)
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var rule = rig.Hub.When(r => r.IsGet && r.Range is not null);
        _ = cut ? rule.Cut(after: 1000) : rule.Respond(416);
        await using var content = await Rig.OpenAsync(rig.Backing, digest, Far);
        Assert.Equal(Layer[(16 * MiB)..(17 * MiB)], await Rig.ReadAsync(content, 16 * MiB, MiB));
    }

    [Fact]
    public async Task Verify_first_waits_for_the_whole_blob()
    {
        await using var rig = await Rig.StartAsync(o => o with { VerifyFirst = true });
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        await using var content = await Rig.OpenAsync(rig.Backing, digest, Far);
        Assert.True(content.IsVerified);
        Assert.Equal(Layer[(16 * MiB)..(17 * MiB)], await Rig.ReadAsync(content, 16 * MiB, MiB));
        Assert.DoesNotContain(rig.Hub.Requests, r => r.Range is not null);
    }

    [Fact]
    public async Task Range_of_a_small_blob_is_verified_first()
    {
        await using var rig = await Rig.StartAsync();
        var small = ScriptedUpstream.Bytes(300_000, seed: 32);
        var digest = rig.Hub.AddBlob(Rig.Name, small);
        await using var content = await Rig.OpenAsync(rig.Backing, digest, new(BlobUseKind.Range, 200_000, 200_999));
        Assert.True(content.IsVerified);
        Assert.Equal(small[200_000..201_000], await Rig.ReadAsync(content, 200_000, 1000));
    }

    [Fact]
    public async Task HEAD_of_a_cold_blob_costs_one_HEAD_and_no_body()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        await using var content = await Rig.OpenAsync(rig.Backing, digest, BlobUse.Head);
        await using var again = await Rig.OpenAsync(rig.Backing, digest, BlobUse.Head);
        Assert.Equal(Layer.Length, content.Length);
        Assert.Equal(Layer.Length, again.Length);
        Assert.True(Assert.Single(rig.Hub.Requests).IsHead);
    }

    [Fact]
    public async Task HEAD_of_a_blob_that_a_manifest_describes_sends_no_upstream_request()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        await using var content = await Rig.OpenAsync(rig.Backing, image.Layers[0], BlobUse.Head);
        Assert.Equal(Layer.Length, content.Length);
        Assert.DoesNotContain(rig.Hub.Requests, r => r.IsAnyBlob);
    }

    [Theory]
    [InlineData(403)]
    [InlineData(405)]
    public async Task Upstream_that_refuses_HEAD_of_blobs_is_sent_a_GET_that_ends_after_its_headers(int status)
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsHead && r.IsAnyBlob).Respond(status);
        rig.Hub.When(r => r.IsGet).Hang(after: 1000);
        await using var content = await Rig.OpenAsync(rig.Backing, digest, BlobUse.Head);
        Assert.Equal(Layer.Length, content.Length);
        Assert.Equal(1, rig.Gets(digest));
        Assert.False(rig.IsStored(digest));
    }
}
