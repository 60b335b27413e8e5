using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class VolumeTests
{
    [Fact]
    public async Task Acknowledged_push_survives_a_clean_stop_and_the_journal_is_empty()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var digest = await VolumeRig.PushAsync(rig.Volume.Pushed(VolumeRig.Name), "v1", "one");
        await rig.RestartAsync();
        Assert.Equal(digest, await VolumeRig.LiveAsync(rig.Volume.Pushed(VolumeRig.Name), "v1"));
        await rig.Volume.DisposeAsync();
        Assert.Empty(Journal.Segments(Path.Combine(rig.Path, "gateway/journal")));
        await rig.StartAsync();
    }

    [Fact]
    public async Task Acknowledged_push_survives_a_kill()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var digest = await VolumeRig.PushAsync(rig.Volume.Pushed(VolumeRig.Name), "v1", "one");
        await rig.KillAsync();
        var repository = rig.Volume.Pushed(VolumeRig.Name);
        Assert.Equal(digest, await VolumeRig.LiveAsync(repository, "v1"));
        Assert.Equal("one", await VolumeRig.ReadAsync(repository, Digest.Of("one"u8)));
    }

    [Fact]
    public async Task Acknowledged_push_survives_a_power_cut_that_loses_every_unflushed_file()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var digest = await VolumeRig.PushAsync(rig.Volume.Pushed(VolumeRig.Name), "v1", "one");
        var blob = Digest.Of("one"u8);
        await rig.KillAsync(path =>
        {
            // The rename of the flushed upload and all links were only in the page cache; the journal and the upload's bytes were on disk.
            var uploads = Journal.Read(Path.Combine(path, "gateway/journal"))
                .SelectMany(r => r.Operations).OfType<Operation.LinkBlob>().Select(o => o.Upload);
            var upload = uploads.First(u => u is not null)!;
            var root = new Root(Path.Combine(path, "docker/registry/v2"), Lifetime.Pushed);
            File.Move(root.Data(blob), Path.Combine(path, "gateway/uploads", upload + ".data"));
            Directory.Delete(Path.Combine(path, "docker"), recursive: true);
        });
        var repository = rig.Volume.Pushed(VolumeRig.Name);
        Assert.Equal(digest, await VolumeRig.LiveAsync(repository, "v1"));
        Assert.IsType<Result<StoredManifest>.Found>(await repository.ReadManifestAsync(digest, default));
        Assert.Equal("one", await VolumeRig.ReadAsync(repository, blob));
    }

    [Fact]
    public async Task Replay_does_not_move_a_tag_that_another_program_has_moved_since()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var other = await VolumeRig.PushAsync(rig.Volume.Pushed(VolumeRig.Name), "other", "other");
        await VolumeRig.PushAsync(rig.Volume.Pushed(VolumeRig.Name), "v1", "one");
        await rig.KillAsync(path =>
            File.WriteAllText(
                new Root(Path.Combine(path, "docker/registry/v2"), Lifetime.Pushed).TagLink(VolumeRig.Name.Value, TagName.Parse("v1")),
                other.ToString()));
        Assert.Equal(other, await VolumeRig.LiveAsync(rig.Volume.Pushed(VolumeRig.Name), "v1"));
    }

    [Fact]
    public async Task Replay_does_not_remove_content_that_another_program_has_pushed_again()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var repository = rig.Volume.Pushed(VolumeRig.Name);
        var digest = await VolumeRig.PushAsync(repository, "v1", "one");
        await repository.CommitAsync(new([new Operation.RemoveManifest(digest)]), default);
        await rig.KillAsync(path =>
        {
            var link = new Root(Path.Combine(path, "docker/registry/v2"), Lifetime.Pushed).ManifestLink(VolumeRig.Name.Value, digest);
            Directory.CreateDirectory(Path.GetDirectoryName(link)!);
            File.WriteAllText(link, digest.ToString());
            File.SetLastWriteTimeUtc(link, DateTime.UtcNow.AddMinutes(1));
        });
        Assert.IsType<Result<StoredManifest>.Found>(await rig.Volume.Pushed(VolumeRig.Name).ReadManifestAsync(digest, default));
    }

    [Fact]
    public async Task Damaged_journal_is_kept_and_pushes_are_refused_while_pulls_are_served()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var one = await VolumeRig.PushAsync(rig.Volume.Pushed(VolumeRig.Name), "v1", "one");
        await VolumeRig.PushAsync(rig.Volume.Pushed(VolumeRig.Name), "v2", "two");
        await rig.KillAsync(path =>
        {
            var segment = Journal.Segments(Path.Combine(path, "gateway/journal"))[0];
            var bytes = File.ReadAllBytes(segment);
            bytes[40] ^= 0xFF;
            File.WriteAllBytes(segment, bytes);
        });
        Assert.Contains("damaged", rig.Volume.Health.ReadOnlyBecause, StringComparison.Ordinal);
        Assert.Equal(one, await VolumeRig.LiveAsync(rig.Volume.Pushed(VolumeRig.Name), "v1"));
        await Assert.ThrowsAsync<StoreReadOnlyException>(() => VolumeRig.PushAsync(rig.Volume.Pushed(VolumeRig.Name), "v3", "three"));
        await rig.RestartAsync();
        Assert.Contains("damaged", rig.Volume.Health.ReadOnlyBecause, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Damaged_blob_is_repaired_by_pushing_it_again()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var repository = rig.Volume.Pushed(VolumeRig.Name);
        var blob = await VolumeRig.PushBlobAsync(repository, "one"u8.ToArray());
        await File.WriteAllTextAsync(rig.Volume.Roots.Pushed.Data(blob), "bad");
        await VolumeRig.PushBlobAsync(repository, "one"u8.ToArray());
        Assert.Equal("one", await VolumeRig.ReadAsync(repository, blob));
    }

    [Fact]
    public async Task Loss_of_the_lookup_index_loses_no_content()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var digest = await VolumeRig.PushAsync(rig.Volume.Pushed(VolumeRig.Name), "v1", "one");
        await rig.KillAsync(path => Directory.Delete(Path.Combine(path, "gateway/index"), recursive: true));
        Assert.IsType<Result<StoredManifest>.Found>(await rig.Volume.Pushed(VolumeRig.Name).ReadManifestAsync(digest, default));
    }

    [Fact]
    public async Task Deleted_link_that_the_lookup_index_still_has_is_not_served()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var blob = await VolumeRig.PushBlobAsync(rig.Volume.Pushed(VolumeRig.Name), "one"u8.ToArray());
        await rig.RestartAsync();
        await rig.Volume.DisposeAsync();
        var root = new Root(Path.Combine(rig.Path, "docker/registry/v2"), Lifetime.Pushed);
        Directory.Delete(Path.GetDirectoryName(root.BlobLink(VolumeRig.Name.Value, blob))!, recursive: true);
        await rig.StartAsync();
        Assert.Equal("absent", await VolumeRig.ReadAsync(rig.Volume.Pushed(VolumeRig.Name), blob));
    }

    [Fact]
    public async Task Volume_with_a_newer_format_is_refused()
    {
        await using var rig = await VolumeRig.OpenAsync();
        await rig.Volume.DisposeAsync();
        var format = Path.Combine(rig.Path, "gateway/format");
        await File.WriteAllTextAsync(format, "99");
        var refused = await Assert.ThrowsAsync<IOException>(rig.StartAsync);
        Assert.Contains("newer", refused.Message, StringComparison.Ordinal);
        await File.WriteAllTextAsync(format, "1");
        await rig.StartAsync();
    }

    [Fact]
    public async Task Sha512_alias_of_docker_registry_is_served_under_the_requested_digest()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var repository = rig.Volume.Pushed(VolumeRig.Name);
        await VolumeRig.PushBlobAsync(repository, "one"u8.ToArray());
        var alias = Digest.Of("one"u8, DigestAlgorithm.Sha512);
        rig.Volume.Files.WriteLink(rig.Volume.Roots.Pushed.BlobLink(VolumeRig.Name.Value, alias), Digest.Of("one"u8));
        Assert.Equal("one", await VolumeRig.ReadAsync(repository, alias));
        Assert.Equal("one", await VolumeRig.ReadAsync(repository, alias));
    }

    [Fact]
    public async Task Content_of_another_repository_is_absent()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var blob = await VolumeRig.PushBlobAsync(rig.Volume.Pushed(VolumeRig.Name), "secret"u8.ToArray());
        Assert.Equal("absent", await VolumeRig.ReadAsync(rig.Volume.Pushed(RepositoryName.Parse("other")), blob));
    }

    [Fact]
    public async Task Catalog_lists_names_bytewise_after_a_walk_and_after_pushes_and_deletes()
    {
        await using var rig = await VolumeRig.OpenAsync();
        foreach (var name in new[] { "a/b", "a-b", "c" })
            await VolumeRig.PushAsync(rig.Volume.Pushed(RepositoryName.Parse(name)), "v1", name);
        await rig.RestartAsync();
        Assert.Equal(["a-b", "a/b", "c"], rig.Volume.Repositories.PushedAfter(null, 10).Items.Select(n => n.Value));
        var digest = await VolumeRig.PushAsync(rig.Volume.Pushed(RepositoryName.Parse("b")), "v1", "b");
        Assert.Equal(["b"], rig.Volume.Repositories.PushedAfter("a/b", 1).Items.Select(n => n.Value));
        await rig.Volume.Pushed(RepositoryName.Parse("b")).CommitAsync(new([new Operation.RemoveManifest(digest)]), default);
        Assert.Equal(["c"], rig.Volume.Repositories.PushedAfter("a/b", 10).Items.Select(n => n.Value));
    }

    [Fact]
    public async Task Subjects_of_manifests_that_another_program_pushed_are_found()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var repository = rig.Volume.Pushed(VolumeRig.Name);
        var subject = await VolumeRig.PushAsync(repository, "v1", "one");
        var referrer = await VolumeRig.PushAsync(repository, "sig", "sig", new(MediaTypes.OciManifest, subject, 1));
        await rig.Volume.DisposeAsync();
        Directory.Delete(rig.Volume.Roots.Pushed.Own(VolumeRig.Name.Value), recursive: true);
        await rig.StartAsync();
        var found = Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(await rig.Volume.Pushed(VolumeRig.Name).ReferrersAsync(
            subject, default));
        Assert.Equal([referrer], found.Value.Select(d => d.Digest));
    }

    [Fact]
    public async Task Acknowledged_delete_survives_a_kill()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var repository = rig.Volume.Pushed(VolumeRig.Name);
        var digest = await VolumeRig.PushAsync(repository, "v1", "one");
        await repository.CommitAsync(new([new Operation.RemoveManifest(digest)]), default);
        await repository.CommitAsync(new([new Operation.RemoveBlob(Digest.Of("one"u8))]), default);
        await rig.KillAsync();
        repository = rig.Volume.Pushed(VolumeRig.Name);
        Assert.IsType<Result<StoredManifest>.Absent>(await repository.ReadManifestAsync(digest, default));
        Assert.Equal("absent", await VolumeRig.ReadAsync(repository, Digest.Of("one"u8)));
        Assert.True((await VolumeRig.LiveAsync(repository, "v1")).IsEmpty);
    }

    [Fact]
    public async Task Referrer_with_megabytes_of_annotations_does_not_damage_the_journal()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var repository = rig.Volume.Pushed(VolumeRig.Name);
        var subject = Digest.Of("subject"u8);
        var config = await VolumeRig.PushBlobAsync(repository, "config"u8.ToArray());
        var text = System.Text.Encoding.UTF8.GetString(VolumeRig.ManifestOf(config, 6, new(MediaTypes.OciManifest, subject, 7)));
        var bytes = System.Text.Encoding.UTF8.GetBytes(text[..^1] + ",\"annotations\":{\"a\":\"" + new string('+', 2 << 20) + "\"}}");
        var read = ManifestReader.Read(bytes, null, StoredManifest.ReadBackLimits).Manifest!;
        var manifest = new StoredManifest(Digest.Of(bytes), read, bytes);
        await repository.CommitAsync(
            new([new Operation.StoreManifest(manifest.Digest, bytes), new Operation.AddReferrer(subject, manifest.AsReferrer())]),
            default);
        var later = await VolumeRig.PushAsync(repository, "v1", "later");
        await rig.KillAsync(
            path => Directory.Delete(
                new Root(Path.Combine(path, "docker/registry/v2"), Lifetime.Pushed).Own(VolumeRig.Name.Value), recursive: true));
        Assert.Null(rig.Volume.Health.ReadOnlyBecause);
        repository = rig.Volume.Pushed(VolumeRig.Name);
        Assert.Equal(later, await VolumeRig.LiveAsync(repository, "v1"));
        var found = Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(await repository.ReferrersAsync(subject, default));
        Assert.Equal(2 << 20, Assert.Single(found.Value).Annotations["a"].Length);
    }

    [Fact]
    public async Task Damaged_manifest_is_unavailable_rather_than_absent_and_never_served()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var digest = await VolumeRig.PushAsync(rig.Volume.Pushed(VolumeRig.Name), "v1", "one");
        await rig.RestartAsync();
        await File.WriteAllBytesAsync(rig.Volume.Roots.Pushed.Data(digest), VolumeRig.ManifestOf(Digest.Of("two"u8), 3));
        var answer = await rig.Volume.Pushed(VolumeRig.Name).ReadManifestAsync(digest, default);
        Assert.True(Assert.IsType<Result<StoredManifest>.Unavailable>(answer).IsDamaged);
    }

    [Fact]
    public async Task Blob_whose_upload_was_removed_before_the_commit_is_not_linked()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var repository = rig.Volume.Pushed(VolumeRig.Name);
        var digest = Digest.Of("cancelled"u8);
        await repository.CommitAsync(new([new Operation.LinkBlob(digest, 9, new string('0', 32))]), default);
        Assert.Null(await repository.ReadLinkAsync(digest, LinkKind.Blob, default));
    }

    [Fact]
    public async Task Page_after_the_last_possible_name_is_empty()
    {
        await using var rig = await VolumeRig.OpenAsync();
        await VolumeRig.PushAsync(rig.Volume.Pushed(VolumeRig.Name), "v1", "one");
        Assert.Empty(rig.Volume.Repositories.PushedAfter("\uFFFF", 10).Items);
    }
}
