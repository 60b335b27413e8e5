using System.Net;
using System.Net.Sockets;
using System.Text;
using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.Registry.Hostile;

/// <summary>Nobody holds so much that others get none, and whoever asks for too much is told so.</summary>
public sealed class LimitTests
{
    [Fact]
    public async Task Connection_limit_of_one_address_does_not_affect_others()
    {
        await using var rig = await StartAsync(new() { ConnectionsPerAddress = 3 });
        using var first = await ConnectAsync(rig, "127.0.0.2");
        using var second = await ConnectAsync(rig, "127.0.0.2");
        using var third = await ConnectAsync(rig, "127.0.0.2");
        Assert.Equal(["200", "200", "200"], [await PingAsync(first), await PingAsync(second), await PingAsync(third)]);

        using (var fourth = await ConnectAsync(rig, "127.0.0.2")) Assert.Equal("closed", await PingAsync(fourth));
        using (var other = await ConnectAsync(rig, "127.0.0.3")) Assert.Equal("200", await PingAsync(other));
        const string Refused = "gateway_connections_refused_total{limit=\"connectionsPerAddress\"}";
        Assert.Contains(Refused, await MetricsAsync(rig), StringComparison.Ordinal);

        third.Dispose();
        await UntilAsync(async () =>
        {
            using var again = await ConnectAsync(rig, "127.0.0.2");
            return await PingAsync(again) == "200";
        });
    }

    [Fact]
    public async Task Connection_limit_is_shared_by_clients_and_excludes_the_operator()
    {
        await using var rig = await StartAsync(new() { Connections = 2 });
        using var first = await ConnectAsync(rig, "127.0.0.2");
        using var second = await ConnectAsync(rig, "127.0.0.3");
        Assert.Equal(["200", "200"], [await PingAsync(first), await PingAsync(second)]);

        using var third = await ConnectAsync(rig, "127.0.0.4");
        Assert.Equal("closed", await PingAsync(third));
        // A gauge belongs to the process. While another test's gateway is the last that started, its value is the one that is shown.
        await UntilAsync(async () => (await MetricsAsync(rig)).Contains("gateway_connections_open 2", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(2, 9, 9, "this registry")]
    [InlineData(9, 2, 9, "repository team/app")]
    [InlineData(9, 9, 2, "anonymous")]
    public async Task Upload_sessions_beyond_the_limit_return_429_until_one_ends(int all, int perRepository, int perActor, string whose)
    {
        await using var rig = await StartAsync(new() { Uploads = all, UploadsPerRepository = perRepository, UploadsPerActor = perActor });
        using var first = await rig.SendAsync("POST", "/v2/team/app/blobs/uploads/");
        using var second = await rig.SendAsync("POST", "/v2/team/app/blobs/uploads/");

        using var third = await rig.SendAsync("POST", "/v2/team/app/blobs/uploads/");
        using var whole = await rig.SendAsync("POST", $"/v2/team/app/blobs/uploads/?digest={PathCorpus.Manifest}");

        Assert.Equal([202, 202, 429, 429], new[] { first, second, third, whole }.Select(answer => (int)answer.StatusCode));
        Assert.Contains($"2 upload sessions of {whose} are open", await third.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        (await rig.SendAsync("DELETE", first.Headers.Location!.ToString())).Dispose();
        using var next = await rig.SendAsync("POST", "/v2/team/app/blobs/uploads/");
        Assert.Equal(HttpStatusCode.Accepted, next.StatusCode);
    }

    [Fact]
    public async Task Hundred_thousand_ranges_return_the_whole_blob_or_are_refused_unread()
    {
        await using var rig = await GatewayRig.StartAsync();
        var digest = await rig.PushBlobAsync("a", new byte[5000]);

        using var many = await rig.SendAsync("GET", $"/v2/a/blobs/{digest}", null, ("Range", Ranges(2000)));
        using var tooMany = await rig.SendAsync("GET", $"/v2/a/blobs/{digest}", null, ("Range", Ranges(100_000)));

        Assert.Equal((HttpStatusCode.OK, 5000L), (many.StatusCode, many.Content.Headers.ContentLength));
        Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, tooMany.StatusCode);

        static string Ranges(int count) => "bytes=" + string.Join(',', Enumerable.Range(0, count).Select(i => $"{i}-{i}"));
    }

    [Fact]
    public async Task Endless_stream_resets_do_not_affect_other_clients()
    {
        await using var rig = await GatewayRig.StartAsync(options => options with { Listen = [options.Listen[0] with { Http2 = true }] });
        using var hostile = Http2();
        using var good = Http2();

        for (var i = 0; i < 1000; i++)
        {
            using var hangUp = new CancellationTokenSource();
            var body = new StuckContent();
            var asked = hostile.SendAsync(Ask(HttpMethod.Put, "/v2/a/manifests/v1", body), hangUp.Token);
            await await Task.WhenAny(body.Begun, asked);
            await hangUp.CancelAsync();
            await Assert.ThrowsAnyAsync<Exception>(() => asked);
        }

        using var answer = await good.SendAsync(Ask(HttpMethod.Get, "/v2/"));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);

        HttpRequestMessage Ask(HttpMethod method, string path, HttpContent? body = null) => new(method, new Uri(rig.Url, path))
        {
            Content = body,
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };

        static HttpClient Http2() => new(new SocketsHttpHandler { UseProxy = false });
    }

    [Theory]
    [InlineData("/v2/_catalog?n=2147483647")]
    [InlineData("/v2/a/tags/list?n=99999999999999999999999")]
    public async Task Page_size_is_limited_to_a_thousand(string target)
    {
        await using var rig = await GatewayRig.StartAsync();
        await rig.PushManifestAsync("a", "v1");

        using var page = await rig.SendAsync("GET", target);

        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.Null(GatewayRig.Header(page, "Link"));
    }

    [Fact]
    public async Task Too_long_manifest_login_and_question_are_refused_as_too_long()
    {
        await using var rig = await GatewayRig.StartAsync();
        using var manifest = await rig.PutManifestAsync("a", "v1", new byte[(4 << 20) + 1]);
        using var endless = await rig.SendAsync("PUT", "/v2/a/manifests/v1", new EndlessContent());
        using var form = await rig.SendAsync(
            "POST", "/token", new StringContent($"a={new string('a', 20_000)}", Encoding.ASCII, "application/x-www-form-urlencoded"));
        using var parts = await rig.SendAsync("POST", "/token", new StringContent("--", Encoding.ASCII, "multipart/form-data"));
        using var question = await rig.SendAsync(
            "POST", "/-/policy/evaluate", new StringContent(new string(' ', 10_000), Encoding.UTF8, "application/json"));

        Assert.Equal((413, "SIZE_INVALID"), ((int)manifest.StatusCode, await GatewayRig.ErrorCodeAsync(manifest)));
        Assert.Equal((413, "SIZE_INVALID"), ((int)endless.StatusCode, await GatewayRig.ErrorCodeAsync(endless)));
        Assert.Equal([400, 400, 400], new[] { form, parts, question }.Select(answer => (int)answer.StatusCode));
    }

    private static Task<GatewayRig> StartAsync(ClientLimits limits) => GatewayRig.StartAsync(options => options with { Limits = limits });

    private static async Task<TcpClient> ConnectAsync(GatewayRig rig, string from)
    {
        var client = new TcpClient(new IPEndPoint(IPAddress.Parse(from), 0));
        try
        {
            await client.ConnectAsync(rig.Url.Host, rig.Url.Port);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            // Accepted and refused before this end has looked.
        }
        return client;
    }

    // The status; "closed" where the connection ends instead.
    private static async Task<string> PingAsync(TcpClient client)
    {
        if (!client.Connected) return "closed";
        using var late = Patience.Limit(30);
        try
        {
            await client.GetStream().WriteAsync("GET /v2/ HTTP/1.1\r\nHost: h\r\n\r\n"u8.ToArray(), late.Token);
            var buffer = new byte[4096];
            var count = await client.GetStream().ReadAsync(buffer, late.Token);
            return count < 12 ? "closed" : Encoding.ASCII.GetString(buffer, 9, 3);
        }
        catch (IOException)
        {
            return "closed";
        }
    }

    private static async Task<string> MetricsAsync(GatewayRig rig)
    {
        using var client = new HttpClient();
        return await client.GetStringAsync(new Uri(rig.Operator, "/metrics"));
    }

    private static Task UntilAsync(Func<Task<bool>> condition) =>
        Patience.UntilAsync(condition, () => "the metrics show what the limit did");

    // Its head has been sent when it begins, and of its body nothing comes.
    private sealed class StuckContent : HttpContent
    {
        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public StuckContent() => Headers.ContentType = new("application/vnd.oci.image.manifest.v1+json");

        public Task Begun => _begun.Task;

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => Task.Delay(-1);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            _begun.SetResult();
            return Task.Delay(-1, cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 1000;
            return true;
        }
    }

    // In chunks, so that nobody knows beforehand how much will come.
    private sealed class EndlessContent : HttpContent
    {
        public EndlessContent() => Headers.ContentType = new("application/vnd.oci.image.manifest.v1+json");

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            try
            {
                for (var i = 0; i < 1000; i++) await stream.WriteAsync(new byte[64 * 1024]);
            }
            catch (IOException)
            {
                // Refused, and closed: what we are to read is there already.
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
