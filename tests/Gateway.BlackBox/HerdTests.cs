using System.Net;
using System.Security.Cryptography;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Many clients of several kinds at once, counted in the access log of the registry behind.</summary>
public sealed class HerdTests(MirrorFixture fixture) : MirrorScenario(fixture)
{
    [Fact]
    public async Task Fifty_clients_of_five_kinds_are_one_upstream_get_of_each_digest()
    {
        const string repository = "team/herd";
        (await Client.CraneAsync("push", "--insecure", Fixture.Layout.Root, $"{Origin.Host}/{repository}:1")).Succeeded();
        await using var plain = await GatewayProcess.StartAsync(Fixture.Configuration());
        await using var containerd = await Containerd.StartAsync(Client);
        containerd.Configure("_default", $"server = \"http://{plain.Host}\"\ncapabilities = [\"pull\", \"resolve\"]\n");
        var podman = new Podman(Client);
        var name = $"{plain.Host}/corp/{repository}:1";

        await Task.WhenAll((Task[])
        [
            Succeeds(podman.PullAsync(name, "--tls-verify=false")),
            Succeeds(containerd.PullAsync($"{Origin.Host}/{repository}:1")),
            .. Enumerable.Range(0, 4).Select(i => Succeeds(Client.SkopeoAsync(
                "copy", "--src-tls-verify=false", $"docker://{name}", $"oci:{Folder[$"skopeo-{i}"]}:1"))),
            .. Enumerable.Range(0, 4).Select(i => Succeeds(Client.CraneAsync(
                "pull", "--insecure", "--format", "oci", name, Folder[$"crane-{i}"]))),
            .. Enumerable.Range(0, 40).Select(_ => PullAsync(plain.Host, $"/v2/corp/{repository}")),
        ]);

        var gets = (await Origin.SettledAsync())
            .Where(asked => asked.Agent == "gateway" && asked.Request.StartsWith($"GET /v2/{repository}/", StringComparison.Ordinal))
            .Select(asked => "sha256:" + asked.Request[^64..]).Order();
        Assert.Equal(Digests, gets);
        foreach (var pulled in Enumerable.Range(0, 4).SelectMany(i => (string[])[$"skopeo-{i}", $"crane-{i}"]))
            Assert.Equal(Digests, OciLayout.DigestsIn(Folder[pulled]));
        Assert.Equal(Digests, await containerd.ContentAsync());
    }

    private static async Task Succeeds(Task<Output> running) => (await running).Succeeded();

    /// <summary>A client that no program is needed for: the manifest by tag, then all blobs at once.</summary>
    private async Task PullAsync(string host, string path)
    {
        using var raw = new RawClient(host);
        using (var manifest = await raw.GetAsync($"{path}/manifests/1"))
        {
            await RawClient.ExpectAsync(manifest, HttpStatusCode.OK);
            Assert.Equal(Fixture.Pushed.Digest, Described.Sha256(await manifest.Content.ReadAsByteArrayAsync()));
        }
        await Task.WhenAll(Digests.Where(digest => digest != Fixture.Pushed.Digest).Select(async digest =>
        {
            using var blob = await raw.GetAsync($"{path}/blobs/{digest}");
            await RawClient.ExpectAsync(blob, HttpStatusCode.OK);
            await using var body = await blob.Content.ReadAsStreamAsync();
            Assert.Equal(digest, "sha256:" + Convert.ToHexStringLower(await SHA256.HashDataAsync(body)));
        }));
    }
}
