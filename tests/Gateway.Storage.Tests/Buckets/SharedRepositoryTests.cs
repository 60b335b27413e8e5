using System.Text;
using Gateway.Oci;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Replicas with disks of their own on one bucket.</summary>
public sealed partial class SharedRepositoryTests : IAsyncLifetime
{
    private readonly MemoryBucket _bucket = new();
    private readonly List<VolumeRig> _rigs = [];

    public ValueTask InitializeAsync() => default;

    public async ValueTask DisposeAsync()
    {
        foreach (var rig in _rigs) await rig.DisposeAsync();
    }

    private async Task<VolumeRig> ReplicaAsync(IBucket? bucket = null, TimeProvider? clock = null)
    {
        var rig = await SharedRig.OpenAsync(bucket ?? _bucket, clock);
        _rigs.Add(rig);
        return rig;
    }

    private static IBacking Of(VolumeRig rig) => rig.Volume.Repositories.BuiltIn(VolumeRig.Name);

    [Fact]
    public async Task Push_to_one_replica_is_read_whole_from_another_at_once()
    {
        var (one, two) = (Of(await ReplicaAsync()), Of(await ReplicaAsync()));
        for (var i = 0; i < 5; i++)
        {
            var digest = await VolumeRig.PushAsync(i % 2 == 0 ? one : two, "v1", $"text {i}");
            var reader = i % 2 == 0 ? two : one;
            Assert.Equal(digest, await VolumeRig.LiveAsync(reader, "v1"));
            var manifest = Assert.IsType<Result<StoredManifest>.Found>(await reader.ReadManifestAsync(digest, default)).Value;
            Assert.Equal($"text {i}", await VolumeRig.ReadAsync(reader, manifest.Manifest.Blobs.First().Digest));
        }
    }

    [Fact]
    public async Task Removal_at_one_replica_is_seen_by_another()
    {
        var (one, two) = (Of(await ReplicaAsync()), Of(await ReplicaAsync()));
        var digest = await VolumeRig.PushAsync(one, "v1", "text");
        Assert.Equal(digest, await VolumeRig.LiveAsync(two, "v1"));
        Assert.IsType<CommitResult.Committed>(await two.CommitAsync(new([new Operation.RemoveManifest(digest)]), default));
        Assert.True((await VolumeRig.LiveAsync(one, "v1")).IsEmpty);
        Assert.IsType<Result<StoredManifest>.Absent>(await one.ReadManifestAsync(digest, default));
    }

    [Fact]
    public async Task Replica_that_was_away_for_many_changes_reads_the_snapshot_and_what_follows()
    {
        var (here, away) = (await ReplicaAsync(), await ReplicaAsync());
        var gone = await VolumeRig.PushAsync(Of(away), "gone", "gone");
        var kept = await VolumeRig.PushAsync(Of(away), "kept", "kept");
        await VolumeRig.LiveAsync(Of(here), "kept");
        await Of(here).CommitAsync(new([new Operation.RemoveManifest(gone)]), default);
        // Records of 2 KiB: some 128 fill a tail.
        for (var i = 0; i < 24; i++)
        {
            await Task.WhenAll(Enumerable.Range(0, 64).Select(j => Of(here).CommitAsync(
                new([
                    new Operation.SetLive(TagName.Parse($"t{j}"), kept),
                    new Operation.Hold(TagName.Parse($"h{j}"), kept, "ci", default, new('x', 4000)),
                ]), default).AsTask()));
        }
        Assert.Contains(_bucket.Keys, key => key.Contains("-snapshot-", StringComparison.Ordinal));
        // A request waits for some seconds only, and a busy machine needs longer.
        await away.Volume.Logs!.Of(away.Volume.Pushed(VolumeRig.Name)).ValidateAsync();
        Assert.True((await VolumeRig.LiveAsync(Of(away), "gone")).IsEmpty);
        Assert.Equal(kept, await VolumeRig.LiveAsync(Of(away), "t63"));
        Assert.Equal([kept], await Of(away).ManifestsAsync().ToArrayAsync());
        Assert.Equal(Held(here), Held(away));
        Assert.Equal(64, Held(here).Count());

        static IEnumerable<(TagName, long)> Held(VolumeRig rig) =>
            Of(rig).HeldPushes().Select(h => (h.Tag, h.Sequence)).OrderBy(h => h.Tag.Value, StringComparer.Ordinal);
    }

    [Fact]
    public async Task Copy_begins_anew_when_the_bucket_has_another_log_of_the_same_repository()
    {
        var (here, elsewhere) = (await ReplicaAsync(), new MemoryBucket());
        await VolumeRig.PushAsync(Of(here), "old", "old");
        var there = await ReplicaAsync(elsewhere);
        var other = await VolumeRig.PushAsync(Of(there), "new", "new");
        // More changes than a head has ids of, and too few for a snapshot.
        for (var i = 0; i < 17; i++)
        {
            await Task.WhenAll(Enumerable.Range(0, 62).Select(j =>
                Of(there).CommitAsync(new([new Operation.SetLive(TagName.Parse($"t{j}"), other)]), default).AsTask()));
        }
        await ReplaceBucketAsync(elsewhere);
        Assert.DoesNotContain(_bucket.Keys, key => key.Contains("-snapshot-", StringComparison.Ordinal));

        Assert.True((await VolumeRig.LiveAsync(Of(here), "old")).IsEmpty);
        Assert.Equal(other, await VolumeRig.LiveAsync(Of(here), "new"));
    }

    private async Task ReplaceBucketAsync(MemoryBucket by)
    {
        foreach (var key in _bucket.Keys) await _bucket.DeleteAsync(key, default);
        foreach (var key in by.Keys)
            await _bucket.PutAsync(key, (await by.ReadAsync(key, int.MaxValue, null, default)).Bytes, PutCondition.None, default);
    }

    [Fact]
    public async Task Copy_that_could_not_be_made_anew_is_made_anew_after_a_restart()
    {
        var (here, elsewhere) = (await ReplicaAsync(), new MemoryBucket());
        await VolumeRig.PushAsync(Of(here), "old", "old");
        var other = await VolumeRig.PushAsync(Of(await ReplicaAsync(elsewhere)), "new", "new");
        await ReplaceBucketAsync(elsewhere);
        here.Volume.Durability.EndWrites("a flush failed; the volume accepts no writes");
        Assert.IsType<Result<TagState>.Unavailable>(await Of(here).ResolveAsync(TagName.Parse("old"), default));
        await here.RestartAsync();
        Assert.True((await VolumeRig.LiveAsync(Of(here), "old")).IsEmpty);
        Assert.Equal(other, await VolumeRig.LiveAsync(Of(here), "new"));
    }

    [Fact]
    public async Task Repository_of_distribution_is_adopted_with_tags_and_referrers()
    {
        var first = await ReplicaAsync();
        var subject = await VolumeRig.PushAsync(Of(first), "v1", "text");
        var signature = await VolumeRig.PushAsync(Of(first), "other", "signature", new(MediaTypes.OciManifest, subject, 5));
        await first.Volume.Logs!.DisposeAsync();
        foreach (var key in _bucket.Keys.Where(k => k.StartsWith("gateway/", StringComparison.Ordinal)))
            await _bucket.DeleteAsync(key, default);
        var second = Of(await ReplicaAsync());
        Assert.Equal(subject, await VolumeRig.LiveAsync(second, "v1"));
        var manifest = Assert.IsType<Result<StoredManifest>.Found>(await second.ReadManifestAsync(subject, default)).Value;
        Assert.Equal("text", await VolumeRig.ReadAsync(second, manifest.Manifest.Blobs.First().Digest));
        var referrers = Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(await second.ReferrersAsync(subject, default));
        Assert.Equal([signature], referrers.Value.Select(d => d.Digest));
        await VolumeRig.PushAsync(second, "v2", "more");
        // The first one finds another log than the one that it has applied.
        Assert.Equal(subject, await VolumeRig.LiveAsync(Of(first), "v1"));
        Assert.False((await VolumeRig.LiveAsync(Of(first), "v2")).IsEmpty);
    }

    [Fact]
    public async Task Repository_that_was_copied_from_a_disk_is_adopted_with_its_notes()
    {
        var disk = await VolumeRig.OpenAsync();
        _rigs.Add(disk);
        var before = disk.Volume.Repositories.Pushed(VolumeRig.Name);
        var live = await VolumeRig.PushAsync(before, "v1", "text");
        var held = await VolumeRig.PushAsync(before, "v2", "held");
        var expires = DateTimeOffset.FromUnixTimeSeconds(4_000_000_000);
        var seen = DateTimeOffset.FromUnixTimeSeconds(1_600_000_000);
        await before.CommitAsync(
            new([
                new Operation.Hold(TagName.Parse("v3"), held, "ci", expires, "a signature"), new Operation.Release(live, "ops", "urgent"),
                new Operation.AddEvidence(live, held), new Operation.Seen(live, seen),
            ]), default);
        foreach (var file in Directory.EnumerateFiles($"{disk.Path}/docker", "*", SearchOption.AllDirectories))
            await _bucket.PutAsync(file[(disk.Path.Length + 1)..], await File.ReadAllBytesAsync(file), PutCondition.None, default);
        var after = Of(await ReplicaAsync());
        Assert.Equal(live, await VolumeRig.LiveAsync(after, "v1"));
        var (was, now) = (Assert.Single(before.HeldPushes()), Assert.Single(after.HeldPushes()));
        Assert.Equal(HeldPushFile.Format(was with { Sequence = now.Sequence }), HeldPushFile.Format(now));
        Assert.Equal(ReleaseFile.Format(before.ReleaseOf(live)!), ReleaseFile.Format(after.ReleaseOf(live)!));
        Assert.Equal(seen, await after.FirstSeenAsync(live));
        Assert.Equal([held], Assert.IsType<Result<IReadOnlyList<Digest>>.Found>(await after.EvidenceAsync(live, default)).Value);
    }

    [Fact]
    public async Task Links_in_the_layout_of_distribution_follow_the_log()
    {
        var rig = await ReplicaAsync();
        var one = await VolumeRig.PushAsync(Of(rig), "v1", "one");
        var two = await VolumeRig.PushAsync(Of(rig), "v1", "two");
        await VolumeRig.PushAsync(Of(rig), "v2", "three");
        await Of(rig).CommitAsync(new([new Operation.RemoveTag(TagName.Parse("v2"))]), default);
        await rig.Volume.Logs!.DisposeAsync();
        const string Tags = "docker/registry/v2/repositories/team/app/_manifests/tags";
        var current = await TextAsync($"{Tags}/v1/current/link");
        var index = await TextAsync($"{Tags}/v1/index/sha256/{one.Hex}/link");
        Assert.Equal((two.ToString(), one.ToString()), (current, index));
        Assert.DoesNotContain(_bucket.Keys, key => key.StartsWith($"{Tags}/v2", StringComparison.Ordinal));
        Assert.Equal(3, _bucket.Keys.Count(key => key.Contains("/_manifests/revisions/", StringComparison.Ordinal)));
        Assert.Equal(3, _bucket.Keys.Count(key => key.Contains("/_layers/", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Links_of_a_push_to_a_log_that_replaced_a_longer_one_are_written()
    {
        var (here, elsewhere) = (await ReplicaAsync(), new MemoryBucket());
        for (var i = 0; i < 5; i++) await VolumeRig.PushAsync(Of(here), "old", $"old {i}");
        await here.Volume.Logs!.MirroredAsync(default);
        var there = await ReplicaAsync(elsewhere);
        await VolumeRig.PushAsync(Of(there), "new", "new");
        await there.Volume.Logs!.MirroredAsync(default);
        await ReplaceBucketAsync(elsewhere);

        var digest = await VolumeRig.PushAsync(Of(here), "newer", "newer text");

        await here.Volume.Logs!.DisposeAsync();
        Assert.Equal(
            digest.ToString(), await TextAsync("docker/registry/v2/repositories/team/app/_manifests/tags/newer/current/link"));
    }

    private async Task<string> TextAsync(string key) =>
        Encoding.ASCII.GetString((await _bucket.ReadAsync(key, 1000, null, default)).Bytes.Span);

    [Fact]
    public async Task Collection_leaves_pushed_content_and_says_why()
    {
        var rig = await ReplicaAsync();
        var blob = await VolumeRig.PushBlobAsync(Of(rig), "text"u8.ToArray());
        var report = await rig.Volume.Collector.RunAsync(new(false, TimeSpan.Zero, new HashSet<string>()), static _ => { }, default);
        Assert.Contains(report.Notes, note => note.Contains("bucket", StringComparison.Ordinal));
        Assert.Equal("text", await VolumeRig.ReadAsync(Of(rig), blob));
    }

    [Fact]
    public async Task Journal_of_a_shared_volume_is_not_replayed_without_the_bucket()
    {
        var rig = await ReplicaAsync();
        await VolumeRig.PushAsync(Of(rig), "v1", "text");
        using var copy = new TemporaryCopy(rig.Path);
        await using var alone = await Volume.OpenAsync(copy.Path, TimeProvider.System, NullLogger.Instance, default);
        Assert.Null(alone.Health.ReadOnlyBecause);
        Assert.True(alone.Repositories.Pushed(VolumeRig.Name).LiveOf(TagName.Parse("v1")).IsEmpty);
    }

    /// <summary>A copy of a volume's own notes, with its journal, as a kill leaves it.</summary>
    private sealed class TemporaryCopy : IDisposable
    {
        public TemporaryCopy(string of)
        {
            Directory.CreateDirectory($"{Path}/gateway/journal");
            foreach (var file in Directory.EnumerateFiles($"{of}/gateway").Concat(Directory.EnumerateFiles($"{of}/gateway/journal")))
                File.Copy(file, Path + file[of.Length..]);
        }

        public string Path { get; } = Directory.CreateTempSubdirectory("gateway-copy-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }

    [Fact]
    public async Task Repository_in_a_bucket_is_built_in_as_one_on_a_disk_is()
    {
        var shared = Of(await ReplicaAsync());
        Assert.True(shared.IsBuiltIn);
        Assert.IsNotType<StoredRepository>(shared);
    }

    [Fact]
    public async Task Names_without_a_repository_leave_nothing_in_the_bucket()
    {
        var rig = await ReplicaAsync();
        Assert.True((await VolumeRig.LiveAsync(Of(rig), "v1")).IsEmpty);
        Assert.DoesNotContain(_bucket.Keys, key => key.Contains("team/app", StringComparison.Ordinal));
    }
}
