using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Gateway.BlackBox.Rig;
using Gateway.Testing;

namespace Gateway.BlackBox;

/// <summary>What one gateway and its store do: redirects, TLS, and content that is larger than memory may be.</summary>
public sealed class BucketStoreTests(SharedBucketSet shared) : IDisposable
{
    /// <summary>MiB of the content that must not be in memory; docs/performance.md has the figure of 1024.</summary>
    private const string Size = "GATEWAY_BUCKET_MIB";

    /// <summary>MiB of the blob that a herd pulls.</summary>
    private const string HerdSize = "GATEWAY_HERD_MIB";

    private readonly Client _client = new();

    public void Dispose() => _client.Dispose();

    private async Task<S3Server> StoreAsync() => (await shared.Started).Store;

    private string OptionsOf(Uri endpoint, string bucket, string more = "")
    {
        var (access, secret) = (_client.Folder.Write("access", S3Server.AccessKey), _client.Folder.Write("secret", S3Server.SecretKey));
        var address = endpoint.GetLeftPart(UriPartial.Authority);
        return $$"""{ bucket: {{bucket}}, endpoint: "{{address}}", accessKeyFile: "{{access}}", secretKeyFile: "{{secret}}"{{more}} }""";
    }

    [Fact]
    public async Task Large_layer_is_redirected_to_the_bucket_and_clients_follow()
    {
        var store = await StoreAsync();
        var bucket = await store.NewBucketAsync();
        await using var writer = await GatewayProcess.StartAsync(bucket: OptionsOf(store.Endpoint, bucket));
        // Clients with the right to push are not redirected. A store with the host name of the gateway would get its tokens.
        var named = new UriBuilder(store.Endpoint) { Host = "localhost" }.Uri;
        await using var gateway = await GatewayProcess.StartAsync(
            "access: { rules: [{ actors: [anonymous], repositories: [\"**\"], actions: [pull] }] }",
            bucket: OptionsOf(named, bucket, ", redirect: signed"));
        var layout = new OciLayout(_client.Folder["image"]);
        layout.Tag("1", layout.AddImage("amd64", ("large", OciLayout.Noise(3, 6 << 20)), ("small", OciLayout.Noise(4, 1000))));
        var reference = $"{gateway.Host}/team/app:1";
        (await _client.CraneAsync("push", "--insecure", layout.Root, $"{writer.Host}/team/app:1")).Succeeded();
        var large = OciLayout.DigestsIn(layout.Root).MaxBy(digest =>
            new FileInfo(Path.Combine(layout.Root, "blobs/sha256", digest[7..])).Length)!;

        using var raw = new RawClient(gateway.Host);
        using var answer = await raw.GetAsync($"/v2/team/app/blobs/{large}");

        Assert.Equal(HttpStatusCode.TemporaryRedirect, answer.StatusCode);
        Assert.Equal(named.Authority, answer.Headers.Location!.Authority);
        (await _client.CraneAsync("validate", "--insecure", "--remote", reference)).Succeeded();
        (await _client.SkopeoAsync(
            "copy", "--preserve-digests", "--src-tls-verify=false", $"docker://{reference}", $"oci:{_client.Folder["skopeo"]}:1"))
            .Succeeded();
        Assert.Equal(OciLayout.DigestsIn(layout.Root), OciLayout.DigestsIn(_client.Folder["skopeo"]));
        (await _client.OrasAsync(
            "cp", "--from-plain-http", "--to-oci-layout", reference, $"{_client.Folder["oras"]}:1")).Succeeded();
        await using var containerd = await Containerd.StartAsync(_client);
        (await containerd.CtrAsync("images", "pull", "--local", "--plain-http", "--snapshotter", "native", reference)).Succeeded();
    }

    [Fact]
    public async Task Store_with_a_private_authority_is_used_and_a_wrong_certificate_is_explained()
    {
        var (store, authority) = (await StoreAsync(), new Authority(_client.Folder));
        var (bucket, port) = (await store.NewBucketAsync(), FreePorts.Next());
        var pem = _client.Folder.Write(
            "proxy.pem", $"{File.ReadAllText(authority.CertificateFile)}\n{File.ReadAllText(authority.KeyFile)}");
        await using var proxy = Server.Start(RigFolder.Program("haproxy"), ["-db", "-f", _client.Folder.Write("proxy.cfg", $$"""
            defaults
                mode tcp
                timeout connect 10s
                timeout client 60s
                timeout server 60s
            listen store
                bind 127.0.0.1:{{port}} ssl crt {{pem}}
                server store {{store.Endpoint.Authority}}

            """)]);
        await using var gateway = await GatewayProcess.StartAsync(
            bucket: OptionsOf(new($"https://127.0.0.1:{port}"), bucket, $", certificateAuthority: \"{authority.AuthorityFile}\""));
        var (layout, _) = OciLayout.SmallImage(_client.Folder["image"]);
        (await _client.CraneAsync("push", "--insecure", layout.Root, $"{gateway.Host}/team/app:1")).Succeeded();
        // The only line about the bucket says where the gateway stores what clients push.
        Assert.DoesNotContain(gateway.Server.Output, line => line.Contains($"bucket {bucket}", StringComparison.Ordinal)
            && !line.Contains("for what clients push", StringComparison.Ordinal));

        const string Unknown = "set storage.s3.certificateAuthority to a PEM file of the authority";
        await SaysAsync("verify", OptionsOf(new($"https://127.0.0.1:{port}"), bucket), Unknown);
        await SaysAsync("doctor", OptionsOf(new($"https://127.0.0.1:{port}"), bucket), "BUCKET_UNREACHABLE", Unknown);
        var misnamed = OptionsOf(new($"https://localhost:{port}"), bucket, $", certificateAuthority: \"{authority.AuthorityFile}\"");
        await SaysAsync("verify", misnamed, "set storage.s3.endpoint to a name that the store's certificate has");
    }

    // Again on a machine that is so busy that the handshake takes longer than the gateway waits.
    private async Task SaysAsync(string command, string bucket, params string[] expected)
    {
        var (said, file) = ("", _client.Folder.Write("gateway.yaml", $$"""
            listen: http://127.0.0.1:1
            operator: http://127.0.0.1:2
            storage: { path: data, s3: {{bucket}} }
            """));
        await Eventually.TrueAsync(
            async () =>
            {
                said = (await _client.RunAsync("dotnet", GatewayProcess.Assembly, command, "--config", file)).Text;
                return Array.TrueForAll(expected, text => said.Contains(text, StringComparison.Ordinal));
            },
            () => said);
    }

    [Fact]
    public async Task Large_blob_passes_in_bounded_memory_beside_ranges_of_it()
    {
        var mib = int.TryParse(Environment.GetEnvironmentVariable(Size), CultureInfo.InvariantCulture, out var set) ? set : 64;
        var (store, length) = (await StoreAsync(), (long)mib << 20);
        var bucket = await store.NewBucketAsync();
        await using var writer = await GatewayProcess.StartAsync(bucket: OptionsOf(store.Endpoint, bucket));
        await using var reader = await GatewayProcess.StartAsync(bucket: OptionsOf(store.Endpoint, bucket));
        var digest = await MemoryTests.PushAsync(new RawClient(writer.Host), length);
        using var raw = new RawClient(reader.Host);

        // Of a copy that grows, and of the bucket where it has not grown to.
        var ranges = Enumerable.Range(0, 8).Select(i => RangeAsync(raw, digest, length, length / 8 * i + 12_345));
        await Task.WhenAll((Task[])[WholeAsync(raw, digest), WholeAsync(raw, digest), .. ranges]);
        await WholeAsync(raw, digest);

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{mib} MiB: peak {writer.PeakResidentBytes >> 20} MiB of the writer, {reader.PeakResidentBytes >> 20} MiB of the reader");
        Assert.All([writer, reader], gateway => Assert.InRange(gateway.PeakResidentBytes, 0, MemoryTests.PeakLimit));
    }

    private static async Task WholeAsync(RawClient raw, string digest) => Assert.Equal(digest, await MemoryTests.PullAsync(raw, digest));

    private static async Task RangeAsync(RawClient raw, string digest, long length, long from)
    {
        var to = Math.Min(length, from + 3_000_000);
        using var answer = await raw.GetAsync($"/v2/large/blob/blobs/{digest}", ("Range", $"bytes={from}-{to - 1}"));
        await RawClient.ExpectAsync(answer, HttpStatusCode.PartialContent);
        await using var whole = new RepeatedNoise(length);
        var skipped = new byte[1 << 20];
        for (var at = 0L; at < from;) at += whole.Read(skipped, 0, (int)Math.Min(skipped.Length, from - at));
        var expected = new byte[to - from];
        whole.ReadExactly(expected);
        Assert.Equal(SHA256.HashData(expected), await SHA256.HashDataAsync(await answer.Content.ReadAsStreamAsync()));
    }

    [Fact]
    public async Task Fifty_clients_of_three_gateways_cost_one_read_of_the_bucket_for_each()
    {
        var mib = int.TryParse(Environment.GetEnvironmentVariable(HerdSize), CultureInfo.InvariantCulture, out var given) ? given : 16;
        var (store, gateways) = (await StoreAsync(), new List<GatewayProcess>());
        var bucket = await store.NewBucketAsync();
        await using var one = new FaultyProxy(store.Endpoint.Port);
        await using var two = new FaultyProxy(store.Endpoint.Port);
        await using var three = new FaultyProxy(store.Endpoint.Port);
        FaultyProxy[] proxies = [one, two, three];
        foreach (var proxy in proxies)
            gateways.Add(await GatewayProcess.StartAsync(bucket: OptionsOf(new($"http://127.0.0.1:{proxy.Port}"), bucket)));
        var bytes = OciLayout.Noise(5, mib << 20);
        using (var pusher = new RawClient(gateways[0].Host))
        {
            using var pushed = await pusher.PushBlobAsync("team/herd", bytes);
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        }
        var digest = Described.Sha256(bytes);
        await PurgeAsync(gateways[0], digest);
        var before = proxies.Select(each => each.Returned).ToArray();

        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => PullAsync(gateways[i % gateways.Count].Host, digest)));

        // Heads and lists come beside it.
        var most = bytes.Length + (1 << 20);
        foreach (var gateway in gateways) await gateway.DisposeAsync();
        Assert.All(proxies.Zip(before), each => Assert.InRange(each.First.Returned - each.Second, 0, most));
    }

    private static async Task PurgeAsync(GatewayProcess gateway, string digest)
    {
        using var http = new HttpClient();
        // The copy is stored after the push was answered.
        await Eventually.TrueAsync(
            async () =>
            {
                using var body = new StringContent($$"""{"what":"{{digest}}"}""", null, "application/json");
                using var answer = await http.PostAsync(new Uri(gateway.Operator, "/api/v1/purge"), body);
                return answer.StatusCode == HttpStatusCode.OK;
            },
            () => $"the local copy is removed\n{gateway.Log}");
    }

    private static async Task PullAsync(string host, string digest)
    {
        using var raw = new RawClient(host);
        using var answer = await raw.GetAsync($"/v2/team/herd/blobs/{digest}");
        await RawClient.ExpectAsync(answer, HttpStatusCode.OK);
        Assert.Equal(digest, $"sha256:{Convert.ToHexStringLower(await SHA256.HashDataAsync(await answer.Content.ReadAsStreamAsync()))}");
    }
}
