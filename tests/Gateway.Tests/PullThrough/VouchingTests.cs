using Gateway.Oci;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>The response of a fetch as the upstream's word that a repository has a blob (docs/design/0003-fetch.md).</summary>
public sealed class VouchingTests
{
    private const int MiB = 1 << 20;

    private static readonly byte[] Layer = ScriptedUpstream.Bytes(6 * MiB, seed: 91);

    [Fact]
    public async Task Whole_cold_blob_costs_one_request_and_is_linked_once_it_is_stored()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        await rig.SettleAsync();
        Assert.Equal(["GET"], rig.Hub.Requests.Select(r => r.Method));

        await rig.RestartAsync();
        Assert.NotNull(await rig.Backing.ReadLinkAsync(Rig.D(digest), LinkKind.Blob, default));
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        Assert.Equal(["GET"], rig.Hub.Requests.Select(r => r.Method));
    }

    [Fact]
    public async Task Second_reader_of_a_fetch_that_has_just_begun_asks_the_upstream_nothing()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet).PauseFor(gate.Task, after: 5 * MiB);
        await using var first = await Rig.OpenAsync(rig.Backing, digest);
        await using var second = await Rig.OpenAsync(rig.Backing, digest);
        await using var head = await Rig.OpenAsync(rig.Backing, digest, BlobUse.Head);
        Assert.Equal(["GET"], rig.Hub.Requests.Select(r => r.Method));
        gate.SetResult();
        Assert.Equal(Layer, await Rig.ReadAsync(first));
        Assert.Equal(Layer, await Rig.ReadAsync(second));
        Assert.Equal(Layer.Length, head.Length);
    }

    [Fact]
    public async Task Repository_that_lacks_the_blob_gets_nothing_of_a_fetch_that_another_repository_joined()
    {
        await using var rig = await Rig.StartAsync();
        const string other = "library/other";
        var digest = rig.Hub.AddBlob(other, Layer);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet && r.Path.Contains(Rig.Name, StringComparison.Ordinal)).WaitFor(gate.Task).Respond(404);
        var lacking = Task.Run(async () => await rig.Backing.OpenBlobAsync(Rig.D(digest), BlobUse.Whole, default));
        await Rig.UntilAsync(() => rig.Hub.Requests.Any(r => r.IsGet));
        var having = Task.Run(() => Rig.ReadAsync(rig.Pull(other), digest));
        await Rig.UntilAsync(() => rig.Hub.Requests.Any(r => r.IsHead));
        await Rig.UntilAsync(() => rig.Fetches.Find(Rig.D(digest))?.Readers == 2);
        gate.SetResult();

        Assert.Equal(Layer, await having);
        Assert.IsType<Result<IContent>.Absent>(await lacking);
        await rig.SettleAsync();
        Assert.Null(await rig.Backing.ReadLinkAsync(Rig.D(digest), LinkKind.Blob, default));
        Assert.NotNull(await rig.Pull(other).ReadLinkAsync(Rig.D(digest), LinkKind.Blob, default));
    }

    [Fact]
    public async Task Client_that_leaves_before_the_response_does_not_end_the_fetch()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsGet).WaitFor(gate.Task);
        using var leaving = new CancellationTokenSource();
        var opening = rig.Backing.OpenBlobAsync(Rig.D(digest), BlobUse.Whole, leaving.Token).AsTask();
        await Rig.UntilAsync(() => rig.Hub.Requests.Any(r => r.IsGet));
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening);
        gate.SetResult();
        await Rig.UntilAsync(() => rig.IsStored(digest));
        await rig.SettleAsync();
        Assert.Empty(rig.Parts);
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        Assert.Equal(1, rig.Gets(digest));
    }

    [Fact]
    public async Task Response_without_a_length_is_not_followed_before_a_HEAD_has_vouched()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet).Chunked();
        await using var content = await Rig.OpenAsync(rig.Backing, digest);
        Assert.Equal(Layer.Length, content.Length);
        Assert.Equal(Layer, await Rig.ReadAsync(content));
        Assert.Equal(1, rig.Heads(digest));
    }
}
