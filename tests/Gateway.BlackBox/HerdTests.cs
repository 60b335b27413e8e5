using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Many clients of several kinds at once, counted in the access log of the registry behind.</summary>
public sealed class HerdTests(MirrorFixture fixture) : MirrorScenario(fixture)
{
    private const string Repository = "team/herd";

    // Programs take most of the time: two of a kind meet each other already, the rest of the fifty need none.
    private const int OfEach = 2;

    // A bound for a machine that is busy many times over; by itself it takes some seconds.
    private const int Limit = 120_000;

    [Fact(Timeout = Limit)]
    public async Task Fifty_clients_of_five_kinds_are_one_upstream_get_of_each_digest()
    {
        (await Client.CraneAsync("push", "--insecure", Fixture.Layout.Root, $"{Origin.Host}/{Repository}:1")).Succeeded();
        await using var plain = await GatewayProcess.StartAsync(Fixture.Configuration());
        await using var containerd = await Containerd.StartAsync(Client);
        containerd.Configure("_default", $"server = \"http://{plain.Host}\"\ncapabilities = [\"pull\", \"resolve\"]\n");
        var podman = new Podman(Client);
        var name = $"{plain.Host}/corp/{Repository}:1";

        await Task.WhenAll((Task[])
        [
            Succeeds(podman.PullAsync(name, "--tls-verify=false")),
            Succeeds(containerd.PullAsync($"{Origin.Host}/{Repository}:1")),
            .. Enumerable.Range(0, OfEach).Select(i => Succeeds(Client.SkopeoAsync(
                "copy", "--src-tls-verify=false", $"docker://{name}", $"oci:{Folder[$"skopeo-{i}"]}:1"))),
            .. Enumerable.Range(0, OfEach).Select(i => Succeeds(Client.CraneAsync(
                "pull", "--insecure", "--format", "oci", name, Folder[$"crane-{i}"]))),
            .. Enumerable.Range(0, 50 - 2 - (2 * OfEach)).Select(_ => PullAsync(plain)),
        ]);

        var gets = (await Origin.SettledAsync())
            .Where(asked => asked.Agent == "gateway" && IsGetOfContent(asked.Request))
            .Select(asked => "sha256:" + asked.Request[^64..])
            .Order();
        Assert.Equal(Digests, gets);
        foreach (var pulled in Enumerable.Range(0, OfEach).SelectMany(i => (string[])[$"skopeo-{i}", $"crane-{i}"]))
            Assert.Equal(Digests, OciLayout.DigestsIn(Folder[pulled]));
        Assert.Equal(Digests, await containerd.ContentAsync());
    }

    // Not of the lists of referrers, which are asked for once behind all this.
    private static bool IsGetOfContent(string request) =>
        ((string[])["manifests", "blobs"])
            .Any(kind => request.StartsWith($"GET /v2/{Repository}/{kind}/sha256:", StringComparison.Ordinal));

    private static async Task Succeeds(Task<Output> running) => (await running).Succeeded();

    /// <summary>A client that no program is needed for: the manifest by tag, then all blobs at once.</summary>
    private async Task PullAsync(GatewayProcess gateway)
    {
        using var raw = new RawClient(gateway.Host);
        Assert.Equal(Fixture.Pushed.Digest, Described.Sha256(await ReadAsync(gateway, raw, "manifests/1")));
        await Task.WhenAll(Digests.Where(digest => digest != Fixture.Pushed.Digest).Select(
            async digest => await ExpectAsync(gateway, raw, digest)));
    }

    private static async Task ExpectAsync(GatewayProcess gateway, RawClient raw, string digest)
    {
        var body = await ReadAsync(gateway, raw, $"blobs/{digest}");
        if (Described.Sha256(body) == digest) return;
        var begin = Convert.ToHexString(body.AsSpan(0, Math.Min(64, body.Length)));
        Assert.Fail($"{digest} came as {body.Length} bytes of {Described.Sha256(body)}, which begin {begin}\n{gateway.Log}");
    }

    /// <summary>A body that was answered with 200 and is as long as its Content-Length says.</summary>
    private static async Task<byte[]> ReadAsync(GatewayProcess gateway, RawClient raw, string path)
    {
        using var answer = await raw.GetAsync($"/v2/corp/{Repository}/{path}");
        if (answer.StatusCode != HttpStatusCode.OK) TestContext.Current.TestOutputHelper?.WriteLine(gateway.Log);
        await RawClient.ExpectAsync(answer, HttpStatusCode.OK);
        var body = await answer.Content.ReadAsByteArrayAsync();
        Assert.Equal(answer.Content.Headers.ContentLength, body.Length);
        return body;
    }
}
