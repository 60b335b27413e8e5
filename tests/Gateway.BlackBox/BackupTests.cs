using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>docs/backup.md: a backup of a volume that is in use is complete, and a damaged journal is repaired by a command.</summary>
public sealed class BackupTests : IDisposable
{
    private readonly Client _client = new();

    public void Dispose() => _client.Dispose();

    [Theory]
    [InlineData]
    [InlineData("--copy")]
    public async Task Backup_during_pushes_retags_and_deletes_has_every_acknowledged_push_whole(params string[] options)
    {
        await using var gateway = await GatewayProcess.StartAsync();
        var acknowledged = new ConcurrentDictionary<string, bool>();
        using var ended = new CancellationTokenSource();
        var writers = Enumerable.Range(0, 2).Select(i => WriteAsync(gateway, i, acknowledged, ended.Token)).ToArray();
        var backups = new List<(string Folder, string[] Before)>();
        for (var i = 0; i < 2; i++)
        {
            await Eventually.TrueAsync(() => Task.FromResult(acknowledged.Count > 8 * (i + 1)), () => gateway.Log);
            string[] before = [.. acknowledged.Keys];
            var folder = _client.Folder[$"backup{i}"];
            (await GatewayAsync(gateway, ["backup", folder, .. options])).Succeeded();
            backups.Add((folder, before));
        }
        await ended.CancelAsync();
        await Task.WhenAll(writers);

        foreach (var (folder, before) in backups)
        {
            await using var restored = await GatewayProcess.StartAsync(storage: folder);
            var found = new List<string>();
            for (var i = 0; i < writers.Length; i++) found.AddRange(await WholeTagsAsync(restored, $"team/app{i}"));
            Assert.Empty(before.Except(found));
        }
        // The backup shares files with the volume, and what was written to the copy did not change the volume.
        Assert.NotEmpty(await WholeTagsAsync(gateway, "team/app0"));
    }

    [Fact]
    public async Task Backup_is_restored_after_the_volume_was_lost_with_referrers()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        using (var raw = new RawClient(gateway.Host))
        {
            await raw.ImageAsync("team/app", "1", OciLayout.Noise(1, 1000));
        }
        (await _client.OrasAsync(
            "attach", "--plain-http", "--artifact-type", "application/vnd.test", $"{gateway.Host}/team/app:1",
            "--disable-path-validation", $"{_client.Folder.Write("note.txt", "a note")}:text/plain")).Succeeded();
        var report = (await GatewayAsync(gateway, "backup", _client.Folder["backup"], "--json")).Succeeded().Stdout;
        Assert.True(JsonNode.Parse(report)!["isLinked"]!.GetValue<bool>());
        await gateway.Server.KillAsync();
        Directory.Delete(gateway.Storage, recursive: true);

        // As the page says.
        (await _client.RunFileAsync("/bin/cp", "-a", _client.Folder["backup"], gateway.Storage)).Succeeded();
        await gateway.StartAgainAsync();

        Assert.Equal(["1"], await WholeTagsAsync(gateway, "team/app"));
        var found = (await _client.OrasAsync("discover", "--plain-http", $"{gateway.Host}/team/app:1")).Succeeded().Stdout;
        Assert.Contains("application/vnd.test", found, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backup_does_not_write_into_a_folder_with_files_or_into_the_volume()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        _client.Folder.Write("full/file", "");

        var full = (await GatewayAsync(gateway, "backup", _client.Folder["full"])).Failed();
        var inside = (await GatewayAsync(gateway, "backup", Path.Combine(gateway.Storage, "gateway", "backup"))).Failed();

        Assert.Contains("expected an empty or absent folder", full.Text, StringComparison.Ordinal);
        Assert.Contains("expected a folder outside of the volume's own folders", inside.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Damaged_journal_is_repaired_and_pushes_are_accepted_again()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        using var raw = new RawClient(gateway.Host);
        for (var i = 0; i < 3; i++) await raw.ImageAsync("team/app", $"v{i}", OciLayout.Noise(i, 1000));
        var busy = (await GatewayAsync(gateway, "repair")).Failed();
        Assert.Contains("in use by another gateway", busy.Text, StringComparison.Ordinal);
        await gateway.Server.KillAsync();
        var segment = Directory.GetFiles(Path.Combine(gateway.Storage, "gateway", "journal"), "*.log").Single();
        var bytes = await File.ReadAllBytesAsync(segment);
        bytes[40] ^= 0xFF;
        await File.WriteAllBytesAsync(segment, bytes);
        await gateway.StartAgainAsync(health: "/livez");
        using (var refused = await raw.SendAsync(HttpMethod.Post, "/v2/team/app/blobs/uploads/"))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Contains("run gateway repair", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
        await gateway.Server.StopAsync();

        var tried = (await GatewayAsync(gateway, "repair", "--dry-run")).Succeeded();
        var repaired = (await GatewayAsync(gateway, "repair")).Succeeded();
        await gateway.StartAgainAsync();

        Assert.Contains("lost: at most 1 changes after number 0", tried.Stdout, StringComparison.Ordinal);
        Assert.Contains("nothing was changed", tried.Stdout, StringComparison.Ordinal);
        Assert.Contains("the original segments are in", repaired.Stdout, StringComparison.Ordinal);
        using (var pushed = await raw.PushBlobAsync("team/app", [9]))
            Assert.Equal(HttpStatusCode.Created, pushed.StatusCode);
        // The files had been written before the kill, so nothing is missing here.
        Assert.Equal(["v0", "v1", "v2"], await WholeTagsAsync(gateway, "team/app"));
        await gateway.Server.StopAsync();
        Assert.Contains("is not damaged", (await GatewayAsync(gateway, "repair")).Succeeded().Stdout, StringComparison.Ordinal);
    }

    private Task<Output> GatewayAsync(GatewayProcess gateway, params string[] arguments) =>
        _client.RunAsync("dotnet", [GatewayProcess.Assembly, .. arguments, "--config", gateway.ConfigurationFile]);

    /// <summary>Pushes images, moves a tag, and deletes another, until canceled.</summary>
    private static async Task WriteAsync(
        GatewayProcess gateway, int writer, ConcurrentDictionary<string, bool> acknowledged, CancellationToken ended)
    {
        using var raw = new RawClient(gateway.Host);
        for (var i = 0; !ended.IsCancellationRequested; i++)
        {
            var bytes = OciLayout.Noise((1000 * writer) + i, 2000);
            await raw.ImageAsync($"team/app{writer}", $"w{writer}-{i}", bytes);
            acknowledged[$"w{writer}-{i}"] = true;
            await raw.ImageAsync($"team/app{writer}", "moving", bytes);
            await raw.ImageAsync($"team/app{writer}", "gone", bytes);
            (await raw.DeleteAsync($"/v2/team/app{writer}/manifests/gone")).Dispose();
        }
    }

    /// <summary>The tags of a repository; fails if a manifest or a blob of one is missing or does not have its digest.</summary>
    private static async Task<string[]> WholeTagsAsync(GatewayProcess gateway, string repository)
    {
        using var raw = new RawClient(gateway.Host);
        using var list = await raw.GetAsync($"/v2/{repository}/tags/list");
        var listed = JsonNode.Parse(await list.Content.ReadAsStringAsync())!["tags"]!.AsArray();
        var tags = listed.Select(static tag => tag!.GetValue<string>()).ToArray();
        foreach (var tag in tags)
        {
            using var answer = await raw.GetAsync($"/v2/{repository}/manifests/{tag}", ("Accept", OciLayout.ImageManifest));
            Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{repository}:{tag} is {answer.StatusCode}");
            var manifest = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
            foreach (var blob in manifest["layers"]!.AsArray().Append(manifest["config"]))
            {
                var digest = blob!["digest"]!.GetValue<string>();
                using var content = await raw.GetAsync($"/v2/{repository}/blobs/{digest}");
                Assert.True(content.StatusCode == HttpStatusCode.OK, $"{repository}:{tag}: blob {digest} is {content.StatusCode}");
                Assert.Equal(digest, Described.Sha256(await content.Content.ReadAsByteArrayAsync()));
            }
        }
        return tags;
    }
}
