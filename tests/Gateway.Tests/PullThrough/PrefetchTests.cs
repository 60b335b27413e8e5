using Gateway.Configuration;
using Gateway.Oci;
using Gateway.PullThrough;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Content that is prefetched after a manifest was pulled.</summary>
public sealed class PrefetchTests : IAsyncLifetime
{
    private Rig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await Rig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private ScriptedImage AddImage(string? tag, int seed) =>
        _rig.Hub.AddImage(Rig.Name, tag, ScriptedUpstream.Bytes(200_000, seed), ScriptedUpstream.Bytes(50_000, seed + 1000));

    private static IEnumerable<string> BlobsOf(ScriptedImage image) => image.Layers.Prepend(image.Config);

    private bool IsWhole(ScriptedImage image) => BlobsOf(image).All(_rig.IsStored);

    private void Use(PrefetchMode mode, params string[] platforms)
    {
        _rig.Fetches.Ahead.Options = new(mode, [.. platforms]);
        _rig.Fetches.Ahead.Start(_rig.PullAheadAsync);
    }

    private Task<string> PullAsync(string digest) => Task.Run(async () =>
        (await _rig.Gate.GetManifestAsync(Rig.Caller, new(Rig.D(digest)), default)).GetType().Name);

    [Fact]
    public async Task Pulled_manifest_prefetches_its_config_and_layers_once_each()
    {
        Use(PrefetchMode.Auto);
        var image = AddImage("v1", 1);
        await _rig.PullTagAsync();
        await Rig.UntilAsync(() => IsWhole(image));
        foreach (var blob in BlobsOf(image)) await Rig.ReadAsync(_rig.Backing, blob);
        Assert.All(BlobsOf(image), blob => Assert.Equal((1, 0), (_rig.Gets(blob), _rig.Heads(blob))));
    }

    [Fact]
    public async Task Default_configuration_prefetches_nothing()
    {
        var image = AddImage("v1", 1);
        await _rig.PullTagAsync();
        await Rig.ReadAsync(_rig.Backing, image.Config);
        await _rig.SettleAsync();
        Assert.All(image.Layers, layer => Assert.Equal(0, _rig.Gets(layer)));
    }

    [Fact]
    public async Task Pulled_index_prefetches_the_listed_platforms_only()
    {
        Use(PrefetchMode.Listed, "linux/arm64");
        var (amd, arm) = (AddImage(null, 1), AddImage(null, 2));
        _rig.Hub.AddIndex(Rig.Name, "v1", amd, arm);
        await _rig.PullTagAsync();
        await Rig.UntilAsync(() => IsWhole(arm));
        await _rig.SettleAsync();
        Assert.All(BlobsOf(amd), blob => Assert.Equal(0, _rig.Gets(blob)));
        Assert.Equal(0, _rig.Hub.Count(r => r.Path.Contains(amd.Digest, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Platforms_in_demand_are_learned_from_client_pulls()
    {
        Use(PrefetchMode.Auto);
        var (amd, arm) = (AddImage(null, 1), AddImage(null, 2));
        var index = _rig.Hub.AddIndex(Rig.Name, "v1", amd, arm);
        await _rig.PullTagAsync();
        Assert.NotEmpty(index);
        await PullAsync(arm.Digest);
        await Rig.UntilAsync(() => IsWhole(arm));

        var (nextAmd, nextArm) = (AddImage(null, 3), AddImage(null, 4));
        _rig.Hub.AddIndex(Rig.Name, "v2", nextAmd, nextArm);
        await _rig.PullTagAsync("v2");
        await Rig.UntilAsync(() => IsWhole(nextArm));
        await _rig.SettleAsync();
        Assert.DoesNotContain(BlobsOf(amd).Concat(BlobsOf(nextAmd)), _rig.IsStored);
    }

    [Fact]
    public async Task Full_volume_stops_prefetching_and_clients_still_get_the_content()
    {
        Use(PrefetchMode.Auto);
        _rig.Volume.Health.KeepFree = long.MaxValue / 2;
        var image = AddImage("v1", 1);
        await _rig.PullTagAsync();
        Assert.Equal(ScriptedUpstream.Bytes(200_000, 1), await Rig.ReadAsync(_rig.Backing, image.Layers[0]));
        await _rig.SettleAsync();
        Assert.Equal(1, _rig.Gets(image.Layers[0]));
        Assert.False(_rig.IsStored(image.Layers[0]));
    }

    [Fact]
    public async Task Failing_upstream_fails_only_the_prefetch()
    {
        Use(PrefetchMode.Auto);
        var (broken, whole) = (AddImage("v1", 1), AddImage("v2", 2));
        _rig.Hub.Remove(Rig.Name, broken.Layers[0]);
        await _rig.PullTagAsync();
        await _rig.PullTagAsync("v2");
        await Rig.UntilAsync(() => IsWhole(whole) && _rig.IsStored(broken.Layers[1]));
    }

    [Fact]
    public async Task Stop_does_not_wait_for_a_prefetch_under_way()
    {
        Use(PrefetchMode.Auto);
        var image = AddImage("v1", 1);
        _rig.Hub.When(r => r.IsGet && r.IsBlob(image.Layers[0])).Hang(after: 100);
        await _rig.PullTagAsync();
        await Rig.UntilAsync(() => _rig.Gets(image.Layers[0]) > 0);
        await _rig.RestartAsync().InTimeAsync("the gateway stops although a prefetch hangs");
    }

    [Fact]
    public void Demand_counts_client_requests_and_no_prefetches()
    {
        var demand = new PlatformDemand(TimeProvider.System);
        Descriptor Child(string text, string os, string architecture, string? variant = null) =>
            new(MediaTypes.OciManifest, Rig.D(ScriptedUpstream.DigestOf(System.Text.Encoding.ASCII.GetBytes(text))), 1)
            {
                Platform = new(os, architecture, variant),
            };
        var (amd, arm, attestation) = (Child("a", "linux", "amd64"), Child("b", "linux", "arm", "v7"), Child("c", "unknown", "unknown"));
        demand.Note(new(MediaTypes.OciIndex) { Children = [amd, arm, attestation] });
        demand.Asked(amd.Digest);
        demand.Asked(attestation.Digest);
        using (demand.Ignore(arm.Digest)) demand.Asked(arm.Digest);
        Assert.Equal(["linux/amd64"], demand.Wanted());
        demand.Asked(arm.Digest);
        Assert.Equal(["linux/amd64", "linux/arm/v7"], demand.Wanted().Order());
        for (var i = 0; i < 5000; i++) demand.Asked(amd.Digest);
        Assert.Equal(["linux/amd64"], demand.Wanted());
    }
}
