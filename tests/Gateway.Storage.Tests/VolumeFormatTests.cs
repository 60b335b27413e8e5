using System.Formats.Tar;
using System.IO.Compression;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>
/// Volumes that earlier versions wrote. <c>Fixtures/volume-1.tar.gz</c> is a copy of a running volume from before each operation had its
/// own method: all of its content is also in its journal.
/// </summary>
public sealed class VolumeFormatTests
{
    private static readonly Digest One = Digest.Parse("sha256:cc69e8d3bb0b546059c36fe5a3a5185db133121b6ddba7f75db6dec9167130ec");
    private static readonly Digest Two = Digest.Parse("sha256:17c78b2cd685d1448075a52a14f6460340c67e492aeec5cc3a711c0402bb08b5");
    private static readonly Digest Signature = Digest.Parse("sha256:1dcf978a0bdd33446c269c4edbe2f958a81bb353a03b14906fcf404fd19d19f9");
    private static readonly Digest Removed = Digest.Parse("sha256:700710680961b88a6fc4b5607b742cb93063503b0b80e135fad354a10ff10291");
    private static readonly Digest Staged = Digest.Parse("sha256:8117da753c504a54beae1e45a689a344919d0a0784769c995360b7d955d3f905");

    private static readonly TagName V1 = TagName.Parse("v1");

    [Fact]
    public Task Volume_of_an_earlier_version_opens_with_all_its_content() => AssertOpensAsync(static _ => { });

    [Fact]
    public Task Journal_of_an_earlier_version_restores_every_link_and_note() => AssertOpensAsync(static path =>
    {
        foreach (var root in (string[])["docker/registry/v2", "gateway/staged/v2"])
            Directory.Delete($"{path}/{root}/repositories", recursive: true);
    });

    private static async Task AssertOpensAsync(Action<string> before)
    {
        await using var rig = await VolumeRig.OpenAsync();
        await rig.KillAsync(path =>
        {
            Directory.Delete(path, recursive: true);
            Directory.CreateDirectory(path);
            using var file = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Fixtures/volume-1.tar.gz"));
            using var unzipped = new GZipStream(file, CompressionMode.Decompress);
            TarFile.ExtractToDirectory(unzipped, path, overwriteFiles: true);
            before(path);
        });
        Assert.Null(rig.Volume.Health.ReadOnlyBecause);
        var app = rig.Volume.Pushed(VolumeRig.Name);
        var v1 = app.Live(V1)!;
        Assert.Equal((One, Two, 6), (v1.Live, v1.Held!.Digest, v1.Held.Sequence));
        Assert.Equal(("ci", "a signature", DateTimeOffset.UnixEpoch.AddYears(100)), (v1.Held.Actor, v1.Held.Missing, v1.Held.Expires));
        Assert.Equal([V1], app.HeldPushes().Select(held => held.Tag));
        Assert.Equal("one", await VolumeRig.ReadAsync(app, app.ReadManifest(One)!.Manifest.Blobs.First().Digest));
        Assert.Equal(DateTimeOffset.UnixEpoch.AddYears(50), app.FirstSeen(One));
        Assert.Equal([Signature], EvidenceNotes.List(app, One));
        var referrers = Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(await app.ReferrersAsync(One, default));
        Assert.Equal([(Signature, "a/b")], referrers.Value.Select(found => (found.Digest, found.ArtifactType)));
        Assert.Null(app.FindLink(LinkKind.Manifest, Removed));
        Assert.True(app.LiveOf(TagName.Parse("gone")).IsEmpty);
        var staged = rig.Volume.Staged("hub", RepositoryName.Parse("prod/app"));
        Assert.Equal(Staged, staged.LiveOf(TagName.Parse("v2")));
        Assert.Equal([(17L, null), (18L, "refused")], staged.Forwards().Select(forward => (forward.Sequence, forward.Refusal)));
    }
}
