using System.Text;
using BitFaster.Caching.Lru;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>A page of the catalog evaluates a limited number of manifests, however many held ones its caller cannot see.</summary>
public sealed class CatalogLooksTests : IAsyncLifetime
{
    private HoldRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await HoldRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private async Task HoldAsync(string name, int manifests)
    {
        var repository = _rig.Volume.Pushed(RepositoryName.Parse(name));
        var operations = Enumerable.Range(0, manifests).Select(i =>
        {
            var bytes = GateRig.Manifest(new(MediaTypes.OciConfig, Digest.Of(Encoding.ASCII.GetBytes($"{name} {i}")), 1));
            return new Operation.StoreManifest(Digest.Of(bytes), bytes);
        });
        await repository.CommitAsync(new([.. operations]), default);
    }

    [Fact]
    public async Task Repository_with_only_held_content_is_evaluated_once_and_then_cached()
    {
        await HoldAsync("prod/app", 5);
        var known = new ConcurrentLru<RepositoryName, (Basis Basis, DateTimeOffset Until)>(CatalogLooks.MaxRemembered);
        var (few, enough, again, later) =
            (new CatalogLooks(known, 3), new CatalogLooks(known, 100), new CatalogLooks(known, 100), new CatalogLooks(known, 100));

        Assert.Null(await _rig.Repository.IsListedAsync(HoldRig.Puller, few, default));
        Assert.False(await _rig.Repository.IsListedAsync(HoldRig.Puller, enough, default));
        Assert.False(await _rig.Repository.IsListedAsync(HoldRig.Puller, again, default));
        Assert.Equal((3, 5, 0), (few.Taken, enough.Taken, again.Taken));

        var (digest, _) = await _rig.PushAsync("v1", "an image");
        await _rig.SignAsync(digest);
        Assert.True(await _rig.Repository.IsListedAsync(HoldRig.Puller, later, default));
    }

    [Fact]
    public async Task Pages_end_early_and_links_reach_the_last_name_without_held_content()
    {
        // 64 manifests of each repository are evaluated: together more than a page may.
        for (var i = 0; i < 18; i++) await HoldAsync($"prod/held{i:00}", 64);
        var (digest, _) = await _rig.PushAsync("v1", "an image", _rig.At("prod/shown"));
        await _rig.SignAsync(digest, to: _rig.At("prod/shown"));
        var router = _rig.Router();
        var (names, last, pages) = (new List<string>(), (string?)null, 0);
        for (var more = true; more; pages++)
        {
            Assert.InRange(pages, 0, 3);
            var (page, _) = await router.CatalogAsync(static _ => HoldRig.Puller, last, 10, default);
            names.AddRange(page.Items.Select(static n => n.Value));
            (last, more) = (names.LastOrDefault(), page.More);
        }
        Assert.Equal(["prod/shown"], names);
        Assert.Equal(2, pages);
    }
}
