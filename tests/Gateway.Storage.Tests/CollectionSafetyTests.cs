using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>What a collection keeps when a link is damaged, a push is held, or content of other repositories may need it.</summary>
public sealed class CollectionSafetyTests : IAsyncLifetime
{
    private static readonly TimeSpan Grace = TimeSpan.FromHours(1);

    private readonly AdvancedClock _clock = new();
    private VolumeRig _rig = null!;

    private StoredRepository Repository => _rig.Volume.Pushed(VolumeRig.Name);

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync(_clock);

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private Task<CollectionReport> LaterAsync(TimeSpan? untagged = null, params string[] signatureRepositories)
    {
        _clock.Advance(2 * Grace);
        var request = new CollectionRequest(false, untagged, new HashSet<string>())
        {
            SignatureRepositories = signatureRepositories.ToHashSet(),
        };
        return _rig.Volume.Collector.RunAsync(request, static _ => { }, CancellationToken.None);
    }

    private static CollectedRoot Pushed(CollectionReport report) => report.Roots.Single(static root => root.Root == "pushed");

    private static void AssertNoted(string part, CollectionReport report) =>
        Assert.Contains(report.Notes, note => note.Contains(part, StringComparison.Ordinal));

    private Task<CommitResult> CommitAsync(params Operation[] operations) => Repository.CommitAsync(new([.. operations]), default).AsTask();

    private async Task<Digest> PushReferrerAsync(Digest subject, string text)
    {
        var referrer = await VolumeRig.PushAsync(Repository, "temporary", text, new Descriptor(MediaTypes.OciManifest, subject, 1));
        await CommitAsync(new Operation.RemoveTag(TagName.Parse("temporary")));
        return referrer;
    }

    private bool IsThere(Digest digest) => Repository.ReadManifest(digest) is not null;

    private async Task TearAsync(Func<Root, string> linkOf)
    {
        await _rig.Volume.DisposeAsync();
        File.WriteAllText(linkOf(_rig.Volume.Roots.Pushed), "");
        await _rig.StartAsync();
    }

    [Fact]
    public async Task Held_push_for_a_removed_upstream_stays_until_it_expires()
    {
        var staged = _rig.Volume.Staged("removed.example", VolumeRig.Name);
        var digest = await VolumeRig.PushAsync(staged, "v1", "held");
        var tag = TagName.Parse("v1");
        var expires = _clock.GetUtcNow() + TimeSpan.FromDays(7);
        var hold = new Operation.Hold(tag, digest, "ci", expires, "a signature");
        await staged.CommitAsync(new([new Operation.RemoveTag(tag), hold]), default);
        _clock.Advance(TimeSpan.FromDays(2));
        var report = await LaterAsync();
        AssertNoted("removed.example/team/app: 1 held pushes", report);
        Assert.Equal(digest, Assert.Single(staged.HeldPushes()).Digest);
        Assert.NotNull(staged.ReadManifest(digest));
        _clock.Advance(TimeSpan.FromDays(7));
        await LaterAsync();
        Assert.Empty(staged.HeldPushes());
        Assert.Null(staged.ReadManifest(digest));
        Assert.False(Directory.Exists(Path.Combine(_rig.Path, "gateway/staged/v2/repositories/removed.example")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Blob_whose_removal_is_decided_is_absent_for_a_pusher_and_found_again_if_it_stays(bool isRemoved)
    {
        var image = await VolumeRig.PushAsync(Repository, "v1", "text");
        var blob = Repository.ReadManifest(image)!.Manifest.Blobs.First().Digest;
        var found = new List<bool>();
        var removal = new Change([new Operation.RemoveBlob(blob)])
        {
            // Between the decision and the removal, another thread asks.
            IsStillAllowed = () =>
            {
                found.Add(Task.Run(FindAsync).GetAwaiter().GetResult());
                return isRemoved;
            },
        };
        found.Add(await FindAsync());
        var result = await Repository.CommitAsync(removal, default);
        Assert.Equal(isRemoved, result is CommitResult.Committed);
        found.Add(await FindAsync());
        Assert.Equal([true, false, !isRemoved], found);

        async Task<bool> FindAsync()
        {
            if (await Repository.OpenBlobAsync(blob, BlobUse.Head, default) is not Result<IContent>.Found found) return false;
            await found.Value.DisposeAsync();
            return true;
        }
    }

    [Fact]
    public async Task Folder_of_a_removed_upstream_stays_while_it_has_a_file()
    {
        var staged = _rig.Volume.Staged("removed.example", VolumeRig.Name);
        await VolumeRig.PushAsync(staged, "v1", "old");
        var file = Path.Combine(_rig.Path, "gateway/staged/v2/repositories/removed.example/team/app/_gateway/offers/v2");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await File.WriteAllTextAsync(file, "of a push that comes just now");
        _clock.Advance(TimeSpan.FromDays(2));
        await LaterAsync();
        Assert.Empty(staged.Manifests());
        Assert.True(File.Exists(file));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Bytes_stay_while_a_link_to_a_repository_is_not_followed(bool isBehindAnother)
    {
        await VolumeRig.PushBlobAsync(Repository, "lone"u8.ToArray());
        var outside = Directory.CreateTempSubdirectory("gateway-outside-").FullName;
        var link = $"{_rig.Volume.Roots.Pushed.Repositories}/linked";
        if (isBehindAnother)
        {
            Directory.CreateDirectory($"{outside}/far/app/_manifests");
            Directory.CreateDirectory($"{outside}/near");
            Directory.CreateSymbolicLink($"{outside}/near/app", $"{outside}/far/app");
        }
        Directory.CreateSymbolicLink(link, $"{outside}/near");
        var report = await LaterAsync();
        Assert.Equal((1, 0), (Pushed(report).Links, Pushed(report).Contents));
        AssertNoted(isBehindAnother ? "pushed: linked/app is a symbolic link" : "pushed: linked is a symbolic link", report);
        File.Delete(link);
        Directory.Delete(outside, recursive: true);
        Assert.Equal(1, Pushed(await LaterAsync()).Contents);
    }

    [Fact]
    public async Task Wait_for_the_grace_time_ends_with_it_or_when_it_is_canceled()
    {
        using var stop = new CancellationTokenSource();
        var canceled = _rig.Volume.Collector.UsesKnownAsync(static _ => { }, stop.Token);
        var waiting = _rig.Volume.Collector.UsesKnownAsync(static _ => { }, CancellationToken.None);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => canceled);
        Assert.False(waiting.IsCompleted);
        _clock.Advance(2 * Grace);
        await waiting.InTimeAsync("the grace time is over");
    }

    [Fact]
    public async Task Nothing_untagged_is_removed_while_a_tagged_index_cannot_be_read()
    {
        var child = await VolumeRig.PushAsync(Repository, "child", "child");
        var bytes = VolumeRig.Index(new Descriptor(MediaTypes.OciManifest, child, 1));
        var index = Digest.Of(bytes);
        await CommitAsync(
            new Operation.StoreManifest(index, bytes), new Operation.SetLive(TagName.Parse("v1"), index),
            new Operation.RemoveTag(TagName.Parse("child")));
        await TearAsync(root => root.Data(index));
        var report = await LaterAsync(untagged: Grace);
        Assert.Equal(0, Pushed(report).Manifests);
        Assert.True(IsThere(child));
        AssertNoted($"team/app: {index} cannot be read, so no untagged manifest", report);
    }

    [Fact]
    public async Task Evidence_in_a_signature_repository_stays_when_its_subject_is_deleted_there()
    {
        var subject = await VolumeRig.PushAsync(Repository, "v1", "subject");
        var referrer = await PushReferrerAsync(subject, "referrer");
        await CommitAsync(new Operation.RemoveManifest(subject));
        Assert.Equal(0, Pushed(await LaterAsync(null, "team/app")).Manifests);
        Assert.True(IsThere(referrer));
        Assert.Equal(1, Pushed(await LaterAsync()).Manifests);
    }

    [Fact]
    public async Task Held_evidence_of_a_deleted_subject_stays_held()
    {
        var subject = await VolumeRig.PushAsync(Repository, "v1", "subject");
        var referrer = await PushReferrerAsync(subject, "referrer");
        var held = new Operation.Hold(TagName.Parse("held"), referrer, "ci", _clock.GetUtcNow() + TimeSpan.FromDays(7), "a signature");
        await CommitAsync(held, new Operation.RemoveManifest(subject));
        await LaterAsync();
        Assert.True(IsThere(referrer));
        Assert.Equal(referrer, Assert.Single(Repository.HeldPushes()).Digest);
    }

    [Fact]
    public async Task Evidence_that_was_pushed_after_the_deletion_of_its_subject_stays()
    {
        var subject = await VolumeRig.PushAsync(Repository, "v1", "subject");
        var before = await PushReferrerAsync(subject, "before");
        await CommitAsync(new Operation.RemoveManifest(subject));
        _clock.Advance(TimeSpan.FromMinutes(1));
        var after = await PushReferrerAsync(subject, "after");
        await LaterAsync();
        Assert.False(IsThere(before));
        Assert.True(IsThere(after));
    }

    [Fact]
    public async Task Evidence_under_a_tag_of_its_own_digest_or_about_an_unknown_subject_stays()
    {
        var subject = await VolumeRig.PushAsync(Repository, "v1", "subject");
        var copied = await PushReferrerAsync(subject, "copied");
        var shared = await PushReferrerAsync(subject, "shared");
        await CommitAsync(
            new Operation.SetLive(TagName.Parse($"sha256-{copied.Hex}"), copied),
            new Operation.SetLive(TagName.Parse($"sha256-{Digest.Of("elsewhere"u8).Hex}.sig"), shared),
            new Operation.RemoveManifest(subject));
        Assert.Equal(0, Pushed(await LaterAsync()).Manifests);
        Assert.True(IsThere(copied) && IsThere(shared));
    }

    [Fact]
    public async Task Bytes_stay_when_the_link_of_their_manifest_is_empty()
    {
        var digest = await VolumeRig.PushAsync(Repository, "v1", "config");
        await TearAsync(root => root.ManifestLink("team/app", digest));
        var report = await LaterAsync(untagged: Grace);
        Assert.Equal((0, 0, 0), (Pushed(report).Manifests, Pushed(report).Links, Pushed(report).Contents));
        AssertNoted("team/app: 1 manifests cannot be read", report);
        Assert.True(File.Exists(_rig.Volume.Roots.Pushed.Data(digest)));
        var scrub = await _rig.Volume.Scrubber.RunAsync(new(long.MaxValue, null), static _ => { }, null, CancellationToken.None);
        Assert.Contains(
            scrub.Problems, problem => problem.Contains($"{digest}: the link of the manifest has no digest", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Bytes_stay_when_the_link_of_their_blob_is_empty()
    {
        await VolumeRig.PushAsync(Repository, "v1", "config");
        var config = Digest.Of(Encoding.UTF8.GetBytes("config"));
        await TearAsync(root => root.BlobLink("team/app", config));
        var report = await LaterAsync();
        Assert.Equal((0, 0), (Pushed(report).Links, Pushed(report).Contents));
        AssertNoted("team/app: 1 links of blobs cannot be read", report);
        Assert.True(File.Exists(_rig.Volume.Roots.Pushed.Data(config)));
    }

    /// <summary>Distribution stores a blob that was pushed by its SHA-512 under its SHA-256, with a link of each.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Bytes_stay_when_the_link_of_another_digest_to_them_is_empty(bool hasOwnLink)
    {
        var bytes = "layer"u8.ToArray();
        var (own, alias) = (Digest.Of(bytes), Digest.Of(bytes, DigestAlgorithm.Sha512));
        await VolumeRig.PushBlobAsync(Repository, bytes);
        if (!hasOwnLink) await CommitAsync(new Operation.RemoveBlob(own));
        await _rig.Volume.DisposeAsync();
        var link = _rig.Volume.Roots.Pushed.BlobLink(Repository.Path, alias);
        Directory.CreateDirectory(Path.GetDirectoryName(link)!);
        File.WriteAllText(link, own.ToString());
        await _rig.StartAsync();
        var manifest = VolumeRig.ManifestOf(alias, bytes.Length);
        await CommitAsync(
            new Operation.StoreManifest(Digest.Of(manifest), manifest), new Operation.SetLive(TagName.Parse("v1"), Digest.Of(manifest)));
        Assert.Equal("layer", await VolumeRig.ReadAsync(Repository, alias));
        File.WriteAllText(link, "");
        Assert.Equal("absent", await VolumeRig.ReadAsync(Repository, alias));
        await _rig.RestartAsync();
        Assert.Equal("absent", await VolumeRig.ReadAsync(Repository, alias));
        AssertNoted("its bytes are stored under another digest", await LaterAsync());
        Assert.NotNull(_rig.Volume.FindContent(own, bytes.Length));
        File.WriteAllText(link, own.ToString());
        await _rig.RestartAsync();
        Assert.Equal("layer", await VolumeRig.ReadAsync(Repository, alias));
        Assert.Equal(hasOwnLink ? 1 : 0, Pushed(await LaterAsync()).Links);
        Assert.Equal("layer", await VolumeRig.ReadAsync(Repository, alias));
    }
}
