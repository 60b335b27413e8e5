using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// Three gateways under a policy that pull through, behind a proxy that gives each the next request: a client gets a manifest from one, and
/// what it names from the others.
/// </summary>
public sealed class RoundRobinTests : IAsyncLifetime
{
    private readonly Client _client = new();
    private DockerRegistry _upstream = null!;

    public async ValueTask InitializeAsync()
    {
        _upstream = await DockerRegistry.StartAsync();
        (await _client.RunAsync("cosign2", "generate-key-pair")).Succeeded();
        // The signature of an index counts for its images, which have none.
        var signed = new List<string>();
        foreach (var tag in (string[])["raw", "crane", "skopeo"])
            signed.Add($"{_upstream.Host}/team/app@{await PushAsync($"team/app:{tag}")}");
        (await _client.RunAsync(
            "cosign2",
            ["sign", "-y", "--allow-http-registry", "--key", _client.Folder["cosign.key"], "--tlog-upload=false", .. signed])).Succeeded();
        await PushAsync("team/app:unsigned");
    }

    public async ValueTask DisposeAsync()
    {
        await _upstream.DisposeAsync();
        _client.Dispose();
    }

    /// <summary>Pushes an index of two images to the upstream; returns its digest.</summary>
    private async Task<string> PushAsync(string reference)
    {
        var layout = new OciLayout(_client.Folder[reference.Replace(':', '-')]);
        var index = layout.AddIndex([.. ((string[])["amd64", "arm64"]).Select(architecture => (architecture, layout.AddImage(
            architecture, ("hello", Encoding.UTF8.GetBytes($"{reference} {architecture}")), ("noise", OciLayout.Noise(7, 100_000)))))]);
        layout.Tag("1", index);
        (await _client.SkopeoAsync(
            "copy", "--all", "--dest-tls-verify=false", $"oci:{layout.Root}:1", $"docker://{_upstream.Host}/{reference}")).Succeeded();
        return index.Digest;
    }

    private string Policy => $$"""
        policy:
          default: allow
          artifactTypes: {}
          trust:
            keys: { release: { pem: "{{_client.Folder["cosign.pub"]}}" } }
            authorities: { release: { anyOf: [{ key: release }] } }
          rules: [{ id: signed, require: { signatures: [{ authority: release }] } }]
        """;

    [Fact]
    public async Task Replicas_on_Redis_serve_an_image_whose_manifest_only_one_of_them_has_seen()
    {
        await using var set = await ReplicaSet.StartAsync(new ReplicaPlan
        {
            Url = _upstream.Url, Upstream = "namespaces: [registry.corp.test]", More = _ => Policy,
        });
        await using var front = await Front.StartAsync("haproxy", string.Join(' ', set.Gateways.Select(each => each.Host)));

        await CheckAsync(front.Host, set.Gateways, () => set.Logs);
    }

    [Fact]
    public async Task Gateways_on_a_bucket_serve_an_image_whose_manifest_only_one_of_them_has_seen()
    {
        int[] ports = [.. Enumerable.Range(0, BucketSet.Count).Select(_ => FreePorts.Next())];
        var secret = _client.Folder.Write("secret", "a-secret-of-all-three-gateways");
        await using var set = await BucketSet.StartAsync(new BucketPlan
        {
            Yaml = i => $$"""
                upstreams: { corp: { url: "{{_upstream.Url.ToString().TrimEnd('/')}}", namespaces: [registry.corp.test] } }
                replicas:
                  peers: [{{string.Join(", ", ports.Select(port => $"\"http://127.0.0.1:{port}\""))}}]
                  listen: http://127.0.0.1:{{ports[i]}}
                  secretFile: "{{secret}}"
                  timeout: 5s

                {{Policy}}
                """,
        });

        await CheckAsync(set.Host, set.Gateways, () => set.Log);
    }

    private async Task CheckAsync(string front, GatewayProcess[] gateways, Func<string> log)
    {
        using RawClient first = new(gateways[0].Host), second = new(gateways[1].Host), third = new(gateways[2].Host);
        // The index at one gateway, its first image at another one, and the blobs at the third and of the second image at the first.
        var index = await ReadAsync(first, "/v2/corp/team/app/manifests/raw", log);
        var images = index["manifests"]!.AsArray().Select(each => (string)each!["digest"]!).ToArray();
        var image = await ReadAsync(second, $"/v2/corp/team/app/manifests/{images[0]}", log);
        var (config, layer) = ((string)image["config"]!["digest"]!, (string)image["layers"]![1]!["digest"]!);
        using var head = await KnownAsync(() => third.HeadAsync($"/v2/corp/team/app/blobs/{config}"), log);
        Assert.True(head.StatusCode == HttpStatusCode.OK, log());
        using var range = await KnownAsync(() => third.GetAsync($"/v2/corp/team/app/blobs/{layer}", ("Range", "bytes=10-19")), log);
        Assert.Equal((HttpStatusCode.PartialContent, 10), (range.StatusCode, (int)range.Content.Headers.ContentLength!));
        await ReadAsync(third, $"/v2/team/app/manifests/{images[1]}?ns=registry.corp.test", log);

        // What the policy refuses is refused by each of them, and none has a blob of it.
        using var refused = await first.GetAsync("/v2/corp/team/app/manifests/unsigned");
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        foreach (var each in (RawClient[])[second, third])
        {
            var unsigned = new OciLayout(_client.Folder["other"]).AddImage("amd64", ("hello", "unknown"u8.ToArray()));
            using var unknown = await each.GetAsync($"/v2/corp/team/app/blobs/{unsigned.Digest}");
            Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
            Assert.Contains("BLOB_UNKNOWN", await unknown.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        await SucceedsAsync(() => _client.CraneAsync("validate", "--insecure", "--remote", $"{front}/corp/team/app:crane"), log);
        await SucceedsAsync(
            () => _client.SkopeoAsync(
                "copy", "--all", "--src-tls-verify=false", $"docker://{front}/corp/team/app:skopeo", $"oci:{_client.Folder["copy"]}:1"),
            log);
        await SucceedsAsync(
            () => _client.RunAsync(
                "cosign2", "verify", "--allow-http-registry", "--insecure-ignore-tlog=true", "--key", _client.Folder["cosign.pub"],
                $"{front}/corp/team/app:crane"),
            log);
        Assert.Contains(
            "rule 'signed'", (await _client.CraneAsync("pull", "--insecure", $"{front}/corp/team/app:unsigned", _client.Folder["no.tar"]))
                .Failed().Text, StringComparison.Ordinal);
        Assert.True(await HintsAsync(gateways, "found") >= 3, log());
    }

    /// <summary>
    /// The answer, once it is neither 404, 403 nor 503: a gateway that another one did not answer in time remembers for some seconds that
    /// it knows nothing of the content, and evaluates no longer than five seconds.
    /// </summary>
    private static async Task<HttpResponseMessage> KnownAsync(Func<Task<HttpResponseMessage>> ask, Func<string> log)
    {
        HttpResponseMessage? answer = null;
        await Eventually.TrueAsync(
            async () =>
            {
                answer?.Dispose();
                answer = await ask();
                return answer.StatusCode is not (HttpStatusCode.NotFound or HttpStatusCode.Forbidden or HttpStatusCode.ServiceUnavailable);
            },
            () => $"{answer}\n{log()}");
        return answer!;
    }

    /// <summary>Runs a client until it succeeds, for the same reason.</summary>
    private static async Task SucceedsAsync(Func<Task<Output>> run, Func<string> log)
    {
        Output? last = null;
        await Eventually.TrueAsync(
            async () => (last = await run()).ExitCode == 0, () => $"{last?.Command}\nfails again and again:\n{last?.Text}\n{log()}");
    }

    private static async Task<JsonNode> ReadAsync(RawClient gateway, string target, Func<string> log)
    {
        using var answer = await KnownAsync(() => gateway.GetAsync(target, ("Accept", "*/*")), log);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }

    private static async Task<double> HintsAsync(GatewayProcess[] gateways, string result)
    {
        using var http = new HttpClient();
        var texts = await Task.WhenAll(gateways.Select(each => http.GetStringAsync(new Uri(each.Operator, "/metrics"))));
        return texts.SelectMany(text => text.Split('\n'))
            .Where(line => line.StartsWith("gateway_replica_hints_total{", StringComparison.Ordinal) && line.Contains($"\"{result}\""))
            .Sum(line => double.Parse(line.Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture));
    }
}
