using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Many clients of several kinds pull at once; the access log of the upstream counts what reached it.</summary>
public sealed class HerdTests(MirrorFixture fixture) : MirrorScenario(fixture)
{
    private const string Repository = "team/herd";

    // Starting programs takes most of the time. Two of a kind already meet each other, so plain HTTP clients make up the fifty.
    private const int OfEach = 2;

    // Milliseconds; the test takes some seconds on an idle machine, and the limit leaves room for a very busy one.
    private const int Limit = 120_000;

    [Fact(Timeout = Limit)]
    public async Task Fifty_clients_of_five_kinds_cause_one_upstream_get_per_digest()
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
        ]).WaitAsync(TestContext.Current.CancellationToken);

        var gets = (await Origin.SettledAsync())
            .Where(asked => asked.Agent == "gateway" && IsGetOfContent(asked.Request))
            .Select(asked => "sha256:" + asked.Request[^64..])
            .Order();
        Assert.Equal(Digests, gets);
        foreach (var pulled in Enumerable.Range(0, OfEach).SelectMany(i => (string[])[$"skopeo-{i}", $"crane-{i}"]))
            Assert.Equal(Digests, OciLayout.DigestsIn(Folder[pulled]));
        Assert.Equal(Digests, await containerd.ContentAsync());
    }

    // The gateway also asks for the list of referrers once; that request is not counted.
    private static bool IsGetOfContent(string request) =>
        ((string[])["manifests", "blobs"])
            .Any(kind => request.StartsWith($"GET /v2/{Repository}/{kind}/sha256:", StringComparison.Ordinal));

    private static async Task Succeeds(Task<Output> running) => (await running).Succeeded();

    /// <summary>A plain HTTP client: pulls the manifest by tag, then all blobs at once.</summary>
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
        Assert.Fail($"expected {digest}, got {body.Length} bytes of {Described.Sha256(body)} that begin with {begin}\n{gateway.Log}");
    }

    /// <summary>The body of a 200 answer whose length equals its Content-Length.</summary>
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
