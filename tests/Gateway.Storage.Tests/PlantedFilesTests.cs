using System.ComponentModel;
using System.Runtime.InteropServices;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>
/// Files that an operator's mistake or another process leaves in the storage folder: named pipes, devices, endless files, symbolic links.
/// None of them blocks the gateway, fills its memory, or leads a write out of the folder.
/// </summary>
public sealed class PlantedFilesTests : IAsyncLifetime
{
    private const string Repositories = "docker/registry/v2/repositories";

    private readonly string _outside = Directory.CreateTempSubdirectory("gateway-outside-").FullName;
    private VolumeRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync();

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        Directory.Delete(_outside, recursive: true);
    }

    private StoredRepository Repository => _rig.Volume.Pushed(VolumeRig.Name);

    [Fact]
    public async Task Named_pipe_in_place_of_a_file_is_unreadable_and_blocks_no_other_request()
    {
        var first = await VolumeRig.PushAsync(Repository, "v1", "one");
        await VolumeRig.PushAsync(Repository, "v2", "two");
        await _rig.RestartAsync();
        var tag = $"{_rig.Path}/{Repositories}/team/app/_manifests/tags/v2/current/link";
        Plant(tag);

        var failure = await Assert.ThrowsAsync<UnreadableException>(async () => await Repository.ResolveAsync(Tag("v2"), default));
        Assert.Contains($"cannot read {tag}: expected a file or folder, got a named pipe", failure.Message, StringComparison.Ordinal);
        Assert.Equal(first, Repository.LiveOf(Tag("v1")));
        await VolumeRig.PushAsync(Repository, "v3", "three");
    }

    [Fact]
    public async Task Named_pipes_in_the_gateways_own_folders_do_not_block_a_start()
    {
        var digest = await VolumeRig.PushAsync(Repository, "v1", "one");
        foreach (var name in (string[])["gateway/decisions/0000000000.jsonl", $"gateway/uploads/{new string('a', 32)}.data"])
            Plant($"{_rig.Path}/{name}");

        await _rig.RestartAsync();

        Assert.Equal(digest, Repository.LiveOf(Tag("v1")));
    }

    [Fact]
    public void Endless_text_file_is_not_read_into_memory()
    {
        var file = $"{_outside}/seen";
        using (var sparse = File.OpenHandle(file, FileMode.Create, FileAccess.Write)) RandomAccess.SetLength(sparse, 1L << 40);
        var link = $"{_outside}/zero";
        File.CreateSymbolicLink(link, "/dev/zero");

        var failure = Assert.Throws<UnreadableException>(() => Disk.Text(file));
        Assert.Contains("expected at most 268435456 bytes, got 1099511627776", failure.Message, StringComparison.Ordinal);
        Assert.Throws<UnreadableException>(() => Disk.Bytes(file, 64));
        Assert.Throws<UnreadableException>(() => Disk.Text(link));
    }

    [Fact]
    public void First_seen_times_are_not_appended_to_a_file_outside_the_volume()
    {
        var (kept, link) = ($"{_outside}/kept", $"{_rig.Path}/seen");
        var (first, second) = (Digest.Of("one"u8), Digest.Of("two"u8));
        new SeenTimes(kept).Note(first, DateTimeOffset.UnixEpoch);
        File.CreateSymbolicLink(link, kept);
        var before = File.ReadAllText(kept);

        new SeenTimes(link).Note(second, DateTimeOffset.UnixEpoch);

        Assert.Equal(before, File.ReadAllText(kept));
        Assert.Equal(DateTimeOffset.UnixEpoch, new SeenTimes(link).Of(first));
        Assert.Equal(DateTimeOffset.UnixEpoch, new SeenTimes(link).Of(second));
    }

    [Theory]
    [InlineData("start")]
    [InlineData("sequence")]
    [InlineData("latest-moment")]
    public async Task Numbers_do_not_overwrite_a_file_outside_the_volume(string note)
    {
        await File.WriteAllTextAsync($"{_outside}/number", "00000000000000000009", TestContext.Current.CancellationToken);
        await VolumeRig.PushAsync(Repository, "v1", "one");
        var file = $"{_rig.Path}/gateway/{note}";
        File.Delete(file);
        File.CreateSymbolicLink(file, $"{_outside}/number");

        await _rig.RestartAsync();
        await VolumeRig.PushAsync(Repository, "v2", "two");
        await _rig.RestartAsync();

        Assert.Equal("00000000000000000009", await File.ReadAllTextAsync($"{_outside}/number", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Symbolic_links_in_a_ring_end_the_repository_walk_and_other_links_are_followed()
    {
        await VolumeRig.PushAsync(Repository, "v1", "one");
        var top = $"{_rig.Path}/{Repositories}";
        // Each path of a and b, 40 links long, would be a repository: 2^40 of them.
        foreach (var name in (string[])["a", "b"]) Directory.CreateSymbolicLink($"{top}/{name}", top);
        Directory.Move($"{top}/team", $"{_outside}/team");
        Directory.CreateSymbolicLink($"{top}/team", $"{_outside}/team");
        Directory.CreateSymbolicLink($"{_outside}/team/self", $"{_outside}/team");
        await _rig.RestartAsync();

        Assert.Equal(["team/app"], _rig.Volume.Repositories.PushedAfter(null, 100).Items.Select(static n => n.Value));
        await _rig.Volume.Catalog.ReadAsync();
        Assert.Equal(["team/app"], _rig.Volume.Repositories.PushedAfter(null, 100).Items.Select(static n => n.Value));
    }

    [Fact]
    public async Task Symbolic_links_in_a_ring_end_the_cache_walk()
    {
        var top = $"{_rig.Path}/gateway/cache/v2/repositories/hub";
        Directory.CreateDirectory($"{top}/library/nginx/_manifests");
        foreach (var name in (string[])["a", "b"]) Directory.CreateSymbolicLink($"{top}/{name}", top);

        Assert.Contains("hub/library/nginx", _rig.Volume.CachedRepositories.All().Take(100).Select(static e => e.ToString()));
        Assert.True(_rig.Volume.CachedRepositories.All().Take(100).Count() < 100);
    }

    [Fact]
    public async Task Tags_can_be_bound_and_pulled_while_their_names_are_read_and_the_list_has_the_changes()
    {
        var digest = await VolumeRig.PushAsync(Repository, "v1", "one");
        var state = new RepositoryState(_rig.Volume.Roots.Pushed, "another");
        using var goOn = new ManualResetEventSlim();
        var isReading = new TaskCompletionSource();

        IEnumerable<string> Names()
        {
            isReading.SetResult();
            goOn.Wait(TestContext.Current.CancellationToken);
            return ["c", "b"];
        }

        var pages = Enumerable.Range(0, 3).Select(_ => state.TagsAfterAsync(null, 10, Names, default).AsTask()).ToArray();
        await isReading.Task;
        state.Bind(Tag("a"), new TagState(digest, default));
        state.Unbind(Tag("b"));
        Assert.Equal(digest, state.Live(Tag("a"))!.Live);
        goOn.Set();

        foreach (var page in pages) Assert.Equal(["a", "c"], (await page).Items.Select(static t => t.Value));
    }

    private static TagName Tag(string name) => TagName.Parse(name);

    private static void Plant(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.Delete(path);
        if (MakePipe(path, 0x180) != 0) throw new Win32Exception(Marshal.GetLastPInvokeError()); // 0600
    }

    [DllImport("libc", EntryPoint = "mkfifo", SetLastError = true, CharSet = CharSet.Ansi)]
    private static extern int MakePipe(string path, uint mode);
}
