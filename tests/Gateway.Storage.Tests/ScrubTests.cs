using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>What a scrub finds in a volume, and what becomes of it.</summary>
public sealed class ScrubTests : IAsyncLifetime
{
    private VolumeRig _rig = null!;

    private StoredRepository Repository => _rig.Volume.Pushed(VolumeRig.Name);

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private Task<ScrubReport> ScrubAsync(FetchAgain? fetch = null, string? cursor = null) => _rig.Volume.Scrubber.RunAsync(
        new(1L << 40, cursor), static _ => { }, fetch, CancellationToken.None);

    private static Digest ConfigOf(string text) => Digest.Of(Encoding.UTF8.GetBytes(text));

    // One bit, with the same length and the same time: nothing but the digest tells.
    private static void Rot(string data)
    {
        var bytes = File.ReadAllBytes(data);
        bytes[0] ^= 1;
        var at = File.GetLastWriteTimeUtc(data);
        File.SetAttributes(data, FileAttributes.Normal);
        File.WriteAllBytes(data, bytes);
        File.SetLastWriteTimeUtc(data, at);
    }

    [Fact]
    public async Task Whole_store_has_nothing_to_report()
    {
        await VolumeRig.PushAsync(Repository, "v1", "config");
        var report = await ScrubAsync();
        Assert.True(report.IsWhole);
        Assert.Equal(2, report.Contents);
        Assert.True(report.Bytes > 100);
    }

    [Fact]
    public async Task Damaged_pushed_blob_is_set_aside_and_reported_until_it_is_pushed_again()
    {
        var manifest = await VolumeRig.PushAsync(Repository, "v1", "config");
        Rot(_rig.Volume.Roots.Pushed.Data(ConfigOf("config")));
        var report = await ScrubAsync();
        var damaged = Assert.Single(report.Damaged);
        Assert.Equal(("pushed", ConfigOf("config").ToString(), false), (damaged.Root, damaged.Digest, damaged.IsHealed));
        var need = Assert.Single(damaged.NeededBy);
        Assert.Equal(("team/app", manifest.ToString(), "v1"), (need.Repository, need.Digest, need.Tags.Single()));
        Assert.False(report.IsWhole);
        for (var restart = 0; restart < 2; restart++)
        {
            var opened = await Repository.OpenBlobAsync(ConfigOf("config"), BlobUse.Whole, default);
            Assert.True(Assert.IsType<Result<IContent>.Unavailable>(opened).IsDamaged);
            Assert.NotNull(_rig.Volume.Damage.Warning);
            await _rig.RestartAsync();
        }
        Assert.Equal(damaged.NeededBy, Assert.Single((await ScrubAsync()).Damaged).NeededBy, static (a, b) => a.Digest == b.Digest);

        await VolumeRig.PushBlobAsync(Repository, "config"u8.ToArray());
        Assert.Equal("config", await VolumeRig.ReadAsync(Repository, ConfigOf("config")));
        Assert.True((await ScrubAsync()).IsWhole);
        Assert.Null(_rig.Volume.Damage.Warning);
    }

    [Fact]
    public async Task Damaged_pushed_blob_is_healed_from_another_root()
    {
        await VolumeRig.PushAsync(Repository, "v1", "config");
        var cached = _rig.Volume.Cached("hub", VolumeRig.Name);
        await cached.CommitAsync(new([new Operation.LinkBlob(ConfigOf("config"), 6)]), default);
        var data = _rig.Volume.Roots.Cached.Data(ConfigOf("config"));
        Directory.CreateDirectory(Path.GetDirectoryName(data)!);
        await File.WriteAllTextAsync(data, "config");
        Rot(_rig.Volume.Roots.Pushed.Data(ConfigOf("config")));
        var report = await ScrubAsync();
        Assert.True(Assert.Single(report.Damaged).IsHealed);
        Assert.True(report.IsWhole);
        Assert.Equal("config", await File.ReadAllTextAsync(_rig.Volume.Roots.Pushed.Data(ConfigOf("config"))));
        Assert.Equal(0, _rig.Volume.Damage.Count);
    }

    [Fact]
    public async Task Damaged_cached_blob_is_removed()
    {
        var cached = _rig.Volume.Cached("hub", VolumeRig.Name);
        await VolumeRig.PushAsync(cached, "v1", "config");
        var data = _rig.Volume.Roots.Cached.Data(ConfigOf("config"));
        Rot(data);
        var damaged = Assert.Single((await ScrubAsync()).Damaged);
        Assert.Equal(("cached", 0), (damaged.Root, damaged.NeededBy.Count));
        Assert.False(File.Exists(data));
        Assert.Equal("absent", await VolumeRig.ReadAsync(cached, ConfigOf("config")));
    }

    [Fact]
    public async Task Damaged_manifest_is_healed_from_memory_and_otherwise_reported()
    {
        var manifest = await VolumeRig.PushAsync(Repository, "v1", "config");
        Assert.NotNull(Repository.ReadManifest(manifest));
        Rot(_rig.Volume.Roots.Pushed.Data(manifest));
        Assert.True(Assert.Single((await ScrubAsync()).Damaged).IsHealed);
        await _rig.RestartAsync();
        Assert.NotNull(Repository.ReadManifest(manifest));
        await _rig.RestartAsync();
        Rot(_rig.Volume.Roots.Pushed.Data(manifest));
        var damaged = Assert.Single((await ScrubAsync()).Damaged);
        Assert.Equal((false, "v1"), (damaged.IsHealed, damaged.NeededBy.Single().Tags.Single()));
        var read = await Repository.ReadManifestAsync(manifest, default);
        Assert.True(Assert.IsType<Result<StoredManifest>.Unavailable>(read).IsDamaged);
    }

    [Fact]
    public async Task Missing_blob_link_and_tag_are_reported()
    {
        var manifest = await VolumeRig.PushAsync(Repository, "v1", "config");
        var gone = await VolumeRig.PushAsync(Repository, "v2", "gone");
        await _rig.Volume.DisposeAsync();
        File.Delete(Path.Combine(_rig.Path, $"docker/registry/v2/repositories/team/app/_layers/sha256/{ConfigOf("config").Hex}/link"));
        File.Delete(Path.Combine(_rig.Path, $"docker/registry/v2/repositories/team/app/_manifests/revisions/sha256/{gone.Hex}/link"));
        await _rig.StartAsync();
        var problems = (await ScrubAsync()).Problems;
        Assert.Equal(2, problems.Count);
        Assert.Contains(problems, problem => problem.Contains($"team/app@{manifest}", StringComparison.Ordinal));
        Assert.Contains(problems, problem => problem.Contains("team/app:v2", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Damaged_content_that_nothing_needs_is_collected()
    {
        var manifest = await VolumeRig.PushAsync(Repository, "v1", "config");
        Rot(_rig.Volume.Roots.Pushed.Data(ConfigOf("config")));
        await ScrubAsync();
        await Repository.CommitAsync(new([new Operation.RemoveManifest(manifest)]), default);
        _rig.Volume.Collector.Limit(TimeSpan.FromMilliseconds(1), new(TimeSpan.FromDays(1), long.MaxValue));
        await Gateway.Testing.Patience.UntilAsync(async () =>
        {
            await _rig.Volume.Collector.RunAsync(
                new(false, null, new HashSet<string>()), static _ => { }, CancellationToken.None);
            return _rig.Volume.Damage.Count == 0;
        }, static () => "damaged content is collected");
    }

    // As a gateway whose upstream has the content: it comes into the cached root, with a link.
    private FetchAgain Upstream(byte[] bytes, List<WantedContent> asked) => async (wanted, stop) =>
    {
        asked.Add(wanted);
        var data = _rig.Volume.Roots.Cached.Data(wanted.Digest);
        Directory.CreateDirectory(Path.GetDirectoryName(data)!);
        await File.WriteAllBytesAsync(data, bytes, stop);
        return null;
    };

    [Fact]
    public async Task Damaged_cached_blob_is_fetched_again_from_the_repository_that_had_it()
    {
        var cached = _rig.Volume.Cached("hub", VolumeRig.Name);
        await VolumeRig.PushAsync(cached, "v1", "config");
        var data = _rig.Volume.Roots.Cached.Data(ConfigOf("config"));
        Rot(data);
        var asked = new List<WantedContent>();
        Assert.True(Assert.Single((await ScrubAsync(Upstream("config"u8.ToArray(), asked))).Damaged).IsHealed);
        var wanted = Assert.Single(asked);
        Assert.False(wanted.IsManifest);
        Assert.Equal(new("hub", VolumeRig.Name), Assert.Single(wanted.Places));
        Assert.Equal("config", await File.ReadAllTextAsync(data));
    }

    [Fact]
    public async Task Damaged_pushed_blob_is_healed_from_an_upstream_that_gave_the_same_digest_and_no_other_is_asked()
    {
        await VolumeRig.PushAsync(Repository, "v1", "config");
        await VolumeRig.PushAsync(Repository, "v2", "private");
        await _rig.Volume.Cached("hub", VolumeRig.Name).CommitAsync(new([new Operation.LinkBlob(ConfigOf("config"), 6)]), default);
        Rot(_rig.Volume.Roots.Pushed.Data(ConfigOf("config")));
        Rot(_rig.Volume.Roots.Pushed.Data(ConfigOf("private")));
        var asked = new List<WantedContent>();
        var report = await ScrubAsync(Upstream("config"u8.ToArray(), asked));
        Assert.Equal(ConfigOf("config"), Assert.Single(asked).Digest);
        Assert.Equal([true, false], report.Damaged.OrderByDescending(static each => each.IsHealed).Select(static each => each.IsHealed));
        Assert.Equal("config", await VolumeRig.ReadAsync(Repository, ConfigOf("config")));
        var left = Assert.Single(report.Damaged, static each => !each.IsHealed);
        Assert.Equal((ConfigOf("private").ToString(), "no upstream is known to have it"), (left.Digest, left.WhyNotHealed));
        Assert.Equal("v2", left.NeededBy.Single().Tags.Single());
    }

    [Fact]
    public async Task Damaged_staged_blob_is_healed_from_the_upstream_that_it_was_pushed_for()
    {
        var staged = _rig.Volume.Staged("corp", VolumeRig.Name);
        await VolumeRig.PushAsync(staged, "v1", "config");
        Rot(_rig.Volume.Roots.Staged.Data(ConfigOf("config")));
        var asked = new List<WantedContent>();
        Assert.True(Assert.Single((await ScrubAsync(Upstream("config"u8.ToArray(), asked))).Damaged).IsHealed);
        Assert.Equal(new("corp", VolumeRig.Name), Assert.Single(Assert.Single(asked).Places));
        Assert.Equal("config", await VolumeRig.ReadAsync(staged, ConfigOf("config")));
    }

    [Fact]
    public async Task Reason_of_an_upstream_is_reported_and_the_next_scrub_asks_again()
    {
        var cached = _rig.Volume.Cached("hub", VolumeRig.Name);
        await VolumeRig.PushAsync(Repository, "v1", "config");
        await cached.CommitAsync(new([new Operation.LinkBlob(ConfigOf("config"), 6)]), default);
        Rot(_rig.Volume.Roots.Pushed.Data(ConfigOf("config")));
        var down = Assert.Single((await ScrubAsync(static (_, _) => new("hub does not answer"))).Damaged);
        Assert.Equal((false, "hub does not answer"), (down.IsHealed, down.WhyNotHealed));
        Assert.True(Assert.Single((await ScrubAsync(Upstream("config"u8.ToArray(), []))).Damaged).IsHealed);
        Assert.Equal("config", await VolumeRig.ReadAsync(Repository, ConfigOf("config")));
    }

    /// <summary>The disk could not read the file for a moment: what was set aside is right.</summary>
    [Fact]
    public async Task File_that_was_set_aside_with_the_right_bytes_is_served_again_by_a_request_and_by_a_scrub()
    {
        await VolumeRig.PushAsync(Repository, "v1", "config");
        for (var round = 0; round < 2; round++)
        {
            await _rig.Volume.DisposeAsync();
            var aside = _rig.Volume.Damage.AsideOf(Lifetime.Pushed, ConfigOf("config"));
            SmallFiles.Move(_rig.Volume.Roots.Pushed.Data(ConfigOf("config")), aside);
            await _rig.StartAsync();
            Assert.NotNull(_rig.Volume.Damage.Warning);
            if (round == 0) Assert.Equal("config", await VolumeRig.ReadAsync(Repository, ConfigOf("config")));
            else Assert.True(Assert.Single((await ScrubAsync()).Damaged).IsHealed);
            Assert.Null(_rig.Volume.Damage.Warning);
            Assert.Equal("config", await VolumeRig.ReadAsync(Repository, ConfigOf("config")));
        }
        Assert.True((await ScrubAsync()).IsWhole);
    }

    [Fact]
    public async Task Manifest_that_was_set_aside_with_the_right_bytes_is_served_again()
    {
        var manifest = await VolumeRig.PushAsync(Repository, "v1", "config");
        await _rig.Volume.DisposeAsync();
        SmallFiles.Move(_rig.Volume.Roots.Pushed.Data(manifest), _rig.Volume.Damage.AsideOf(Lifetime.Pushed, manifest));
        await _rig.StartAsync();
        Assert.NotNull(Repository.ReadManifest(manifest));
        Assert.Null(_rig.Volume.Damage.Warning);
    }
}
