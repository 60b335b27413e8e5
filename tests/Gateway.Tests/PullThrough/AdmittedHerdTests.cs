using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Tests.Repositories;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>
/// Under a policy, a blob is served only if an admitted manifest names it. A client that got the manifest must find its blobs noted.
/// </summary>
public sealed class AdmittedHerdTests : IAsyncLifetime
{
    // So many layers that committing the change of a manifest takes a while.
    private const int Layers = 150;

    private Rig _rig = null!;

    // Every pull by tag asks the upstream.
    public async ValueTask InitializeAsync() =>
        _rig = await Rig.StartAsync(o => o with { Tags = new() { RevalidateAfter = TimeSpan.Zero } });

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Concurrent_clients_that_pull_a_cold_manifest_by_tag_can_pull_its_blobs()
    {
        var image = AddImage("v1");
        var gate = _rig.Under(GateRig.Types());

        var tag = new Reference(TagName.Parse("v1"));
        var found = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() => PullAsync(gate, tag, image))));

        Assert.All(found, missing => Assert.Empty(missing));
    }

    [Fact]
    public async Task Concurrent_clients_that_pull_a_cold_manifest_by_digest_can_pull_its_blobs()
    {
        var image = AddImage(null);
        var gate = _rig.Under(GateRig.Types());

        // One after another, so that some requests arrive while the first manifest is being noted.
        var pulling = new List<Task<ImmutableArray<string>>>();
        for (var i = 0; i < 200; i++)
        {
            pulling.Add(Task.Run(() => PullAsync(gate, new(Rig.D(image.Digest)), image)));
            await Task.Delay(1);
        }

        Assert.All(await Task.WhenAll(pulling), missing => Assert.Empty(missing));
    }

    [Fact]
    public async Task Client_that_got_the_former_manifest_of_a_moved_tag_can_pull_its_blobs()
    {
        var (before, after) = (AddImage("v1"), AddImage(null));
        var gate = _rig.Under(GateRig.Types());
        // The tag moves while its former manifest is being sent.
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _rig.Hub.When(r => r.IsGet && r.Path.EndsWith(before.Digest, StringComparison.Ordinal)).WaitFor(held.Task).Once();
        var late = Task.Run(() => PullAsync(gate, new(TagName.Parse("v1")), before));
        await _rig.Hub.ReceivedAsync(r => r.IsGet && r.Path.EndsWith(before.Digest, StringComparison.Ordinal));
        _rig.Hub.Tag(Rig.Name, "v1", after.Digest);
        Assert.Empty(await PullAsync(gate, new(TagName.Parse("v1")), after));
        held.SetResult();

        Assert.Empty(await late);
    }

    private ScriptedImage AddImage(string? tag) => _rig.Hub.AddImage(
        Rig.Name, tag, [.. Enumerable.Range(0, Layers).Select(seed => ScriptedUpstream.Bytes(100, seed))]);

    /// <summary>The blobs that were not found right after the manifest was received.</summary>
    private static async Task<ImmutableArray<string>> PullAsync(Repository gate, Reference reference, ScriptedImage image)
    {
        var manifest = await gate.GetManifestAsync(Rig.Caller, reference, default);
        Assert.Equal(image.Digest, Assert.IsType<Answer<StoredManifest>.Found>(manifest).Value.Digest.ToString());
        var missing = ImmutableArray.CreateBuilder<string>();
        foreach (var blob in image.Layers.Reverse().Take(3).Append(image.Config))
        {
            var answer = await gate.OpenBlobAsync(Rig.Caller, Rig.D(blob), BlobUse.Head, default);
            if (answer is Answer<IContent>.Found found) await found.Value.DisposeAsync();
            else missing.Add(blob);
        }
        return missing.ToImmutable();
    }
}
