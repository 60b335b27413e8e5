using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>The list of built-in repositories: a page costs only what is on it, also right after a start.</summary>
public sealed class CatalogTests : IAsyncLifetime
{
    private VolumeRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private Task<Digest> PushAsync(string name) => VolumeRig.PushAsync(_rig.Volume.Pushed(RepositoryName.Parse(name)), "v1", name);

    private string[] After(string? last, int count) =>
        [.. _rig.Volume.Repositories.PushedAfter(last, count).Items.Select(static n => n.Value)];

    [Fact]
    public async Task First_page_after_a_start_reads_no_repository_beyond_it()
    {
        foreach (var name in (string[])["a", "b/c", "d"]) await PushAsync(name);
        await _rig.RestartAsync();
        // Reading this name fails: it is a symbolic link to itself.
        var loop = Path.Combine(_rig.Path, "docker/registry/v2/repositories/z/_manifests/revisions");
        Directory.CreateDirectory(Path.GetDirectoryName(loop)!);
        File.CreateSymbolicLink(loop, loop);

        Assert.Equal(["a", "b/c"], After(null, 2));
        await Assert.ThrowsAsync<UnreadableException>(() => _rig.Volume.Catalog.ReadAsync());
        Assert.Equal(["b/c"], After("a", 1));
        Assert.Throws<UnreadableException>(() => After("d", 1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Catalog_pages_from_disk_and_from_memory_are_equal(int seed)
    {
        var random = new Random(seed);
        string[] parts = ["a", "a-b", "a.b", "a0", "ab", "b"];
        string Name() => string.Join('/', Enumerable.Range(0, random.Next(1, 4)).Select(_ => parts[random.Next(parts.Length)]));
        var names = Enumerable.Range(0, 40).Select(_ => Name()).Distinct().Order(StringComparer.Ordinal).ToArray();
        foreach (var name in names) await PushAsync(name);
        await _rig.RestartAsync();

        foreach (var isInMemory in (bool[])[false, true])
        {
            if (isInMemory) await _rig.Volume.Catalog.ReadAsync();
            Assert.Equal(names, After(null, 100));
            for (var i = 0; i < 20; i++)
            {
                var last = random.Next(2) == 0 ? Name() : names[random.Next(names.Length)];
                var count = random.Next(1, 5);
                Assert.Equal(names.Where(n => string.CompareOrdinal(n, last) > 0).Take(count), After(last, count));
            }
        }
    }

    [Fact]
    public async Task Repositories_added_and_removed_during_the_name_reading_are_listed_correctly()
    {
        var gone = await PushAsync("gone");
        await PushAsync("stays");
        await _rig.RestartAsync();
        await PushAsync("comes");
        await _rig.Volume.Pushed(RepositoryName.Parse("gone")).CommitAsync(new([new Operation.RemoveManifest(gone)]), default);
        await _rig.Volume.Catalog.ReadAsync();
        Assert.Equal(["comes", "stays"], After(null, 10));
    }
}
