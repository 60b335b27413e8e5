using System.Net;
using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Three gateways on one bucket, behind a proxy that gives each the next request, with the clients that people use.</summary>
public sealed class BucketTests(BucketFixture fixture) : IClassFixture<BucketFixture>, IDisposable
{
    private readonly Client _client = new();
    private readonly BucketSet _set = fixture.Set;

    public void Dispose() => _client.Dispose();

    private string Layout(string text)
    {
        var layout = new OciLayout(_client.Folder[$"image-{text}"]);
        var noise = OciLayout.Noise(text.Length, 300_000);
        layout.Tag("1", layout.AddImage("amd64", ("hello", Encoding.UTF8.GetBytes(text)), ("noise", noise)));
        return layout.Root;
    }

    private string[] All(string reference) => [.. _set.Gateways.Select(g => $"{g.Host}/{reference}")];

    [Fact]
    public async Task Image_that_crane_pushes_is_pulled_from_every_gateway()
    {
        var reference = $"{_set.Host}/team/crane:v1";
        (await _client.CraneAsync("push", "--insecure", Layout("crane"), reference)).Succeeded();
        foreach (var each in All("team/crane:v1")) (await _client.CraneAsync("validate", "--insecure", "--remote", each)).Succeeded();
        Assert.All(
            await Task.WhenAll(_set.Gateways.Select(g => _client.CraneAsync("catalog", "--insecure", g.Host))),
            catalog => Assert.Contains("team/crane", catalog.Succeeded().Stdout.Split('\n')));
    }

    [Fact]
    public async Task Image_that_skopeo_pushes_is_copied_from_every_gateway()
    {
        var layout = Layout("skopeo");
        var pushed = await _client.SkopeoAsync("copy", "--dest-tls-verify=false", $"oci:{layout}", $"docker://{_set.Host}/team/skopeo:v1");
        pushed.Succeeded();
        foreach (var (each, i) in All("team/skopeo:v1").Select((each, i) => (each, i)))
        {
            var copy = $"dir:{_client.Folder[$"copy{i}"]}";
            (await _client.SkopeoAsync("copy", "--src-tls-verify=false", $"docker://{each}", copy)).Succeeded();
        }
    }

    [Fact]
    public async Task Artifact_that_oras_attaches_is_found_at_every_gateway()
    {
        _client.Folder.Write("file.txt", "text");
        var reference = $"{_set.Host}/team/oras:v1";
        (await _client.OrasAsync("push", "--plain-http", reference, "file.txt:text/plain")).Succeeded();
        (await _client.OrasAsync("attach", "--plain-http", "--artifact-type", "a/b", reference, "file.txt:text/plain")).Succeeded();
        foreach (var each in All("team/oras:v1"))
        {
            var found = (await _client.OrasAsync("discover", "--plain-http", each)).Succeeded();
            Assert.Contains("a/b", found.Stdout, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Upload_that_begins_at_one_gateway_is_finished_at_others()
    {
        var blob = OciLayout.Noise(77, 300_000);
        var clients = _set.Gateways.Select(g => new RawClient(g.Host)).ToArray();
        var location = await clients[0].OpenUploadAsync("team/chunks");
        for (var from = 0; from < blob.Length; from += 100_000)
        {
            using var accepted = await clients[(from / 100_000 + 1) % 3].SendAsync(
                HttpMethod.Patch, location, RawClient.Chunk(blob[from..(from + 100_000)], from));
            await RawClient.ExpectAsync(accepted, HttpStatusCode.Accepted);
            location = accepted.Headers.Location!.OriginalString;
        }
        using var closed = await clients[1].SendAsync(
            HttpMethod.Put, RawClient.WithDigest(location, Described.Sha256(blob)), RawClient.Body([]));
        await RawClient.ExpectAsync(closed, HttpStatusCode.Created);
        foreach (var client in clients)
        {
            using var got = await client.GetAsync($"/v2/team/chunks/blobs/{Described.Sha256(blob)}");
            Assert.Equal(blob, await got.Content.ReadAsByteArrayAsync());
            client.Dispose();
        }
    }

    [Fact]
    public async Task Deleted_image_is_gone_at_every_gateway_at_once()
    {
        var reference = $"{_set.Host}/team/deleted:v1";
        (await _client.CraneAsync("push", "--insecure", Layout("deleted"), reference)).Succeeded();
        var digest = (await _client.CraneAsync("digest", "--insecure", reference)).Succeeded().Stdout.Trim();
        (await _client.CraneAsync("delete", "--insecure", $"{_set.Gateways[0].Host}/team/deleted@{digest}")).Succeeded();
        foreach (var each in All("team/deleted:v1")) (await _client.CraneAsync("digest", "--insecure", each)).Failed();
    }

    [Fact]
    public async Task Distribution_serves_the_bucket_and_its_pushes_are_adopted()
    {
        (await _client.CraneAsync("push", "--insecure", Layout("ours"), $"{_set.Host}/team/ours:v1")).Succeeded();
        await using var distribution = await _set.DistributionAsync();
        // The links are written soon after the push.
        await Eventually.TrueAsync(
            async () => (await _client.CraneAsync("validate", "--insecure", "--remote", $"{distribution.Host}/team/ours:v1")).ExitCode == 0,
            () => distribution.Log);
        (await _client.CraneAsync("push", "--insecure", Layout("theirs"), $"{distribution.Host}/old/theirs:v1")).Succeeded();
        foreach (var each in All("old/theirs:v1")) (await _client.CraneAsync("validate", "--insecure", "--remote", each)).Succeeded();
    }
}
