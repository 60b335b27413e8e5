using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Gateway.BlackBox.Rig;

/// <summary>Speaks the distribution protocol directly, when a test needs requests that no client sends, or many concurrent ones.</summary>
/// <param name="host">The registry's address, host:port.</param>
/// <param name="login">The account of every request; null for none.</param>
internal sealed class RawClient(string host, AuthenticationHeaderValue? login = null, TimeSpan? keepAlive = null) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false, UseProxy = false, PooledConnectionLifetime = keepAlive ?? Timeout.InfiniteTimeSpan,
    })
    {
        DefaultRequestHeaders = { Authorization = login },
        BaseAddress = new Uri($"http://{host}"),
        Timeout = Patience.Of(120),
    };

    /// <summary>Sends one request; the target is sent exactly as given.</summary>
    public Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string target, HttpContent? content = null, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(method, new Uri(_http.BaseAddress!, target)) { Content = content };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                content?.Headers.TryAddWithoutValidation(name, value);
        }
        return _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    public Task<HttpResponseMessage> GetAsync(string target, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Get, target, null, headers);

    public Task<HttpResponseMessage> HeadAsync(string target) => SendAsync(HttpMethod.Head, target);

    public Task<HttpResponseMessage> DeleteAsync(string target) => SendAsync(HttpMethod.Delete, target);

    /// <summary>Opens an upload session; returns its location.</summary>
    public async Task<string> OpenUploadAsync(string repository, string query = "")
    {
        using var opened = await SendAsync(HttpMethod.Post, $"/v2/{repository}/blobs/uploads/{query}", Body([]));
        await ExpectAsync(opened, HttpStatusCode.Accepted);
        return opened.Headers.Location!.OriginalString;
    }

    /// <summary>POST, then one PUT with the body; returns the answer to the PUT.</summary>
    public async Task<HttpResponseMessage> PushBlobAsync(string repository, byte[] bytes, string? digest = null) =>
        await SendAsync(HttpMethod.Put, WithDigest(await OpenUploadAsync(repository), digest ?? Described.Sha256(bytes)), Body(bytes));

    /// <summary>Pushes a blob, and asserts that it was acknowledged.</summary>
    public async Task<Described> BlobAsync(string repository, byte[] bytes, string mediaType)
    {
        using var pushed = await PushBlobAsync(repository, bytes);
        await ExpectAsync(pushed, HttpStatusCode.Created);
        return Described.Of(bytes, mediaType);
    }

    public Task<HttpResponseMessage> PushManifestAsync(
        string repository, string reference, byte[] bytes, string mediaType = OciLayout.ImageManifest) =>
        SendAsync(HttpMethod.Put, $"/v2/{repository}/manifests/{reference}", Body(bytes, mediaType));

    /// <summary>Pushes an image with the given layer, and asserts that every part was acknowledged; returns the manifest's bytes.</summary>
    public async Task<byte[]> ImageAsync(string repository, string reference, byte[] layer)
    {
        var config = await BlobAsync(repository, "{}"u8.ToArray(), OciLayout.ImageConfig);
        var bytes = Manifest(config, await BlobAsync(repository, layer, OciLayout.GzipLayer));
        using var pushed = await PushManifestAsync(repository, reference, bytes);
        await ExpectAsync(pushed, HttpStatusCode.Created);
        return bytes;
    }

    public static byte[] Manifest(Described config, params Described[] layers) => OciLayout.Bytes(new JsonObject
    {
        ["schemaVersion"] = 2,
        ["mediaType"] = OciLayout.ImageManifest,
        ["config"] = config.ToJson(),
        ["layers"] = new JsonArray([.. layers.Select(layer => (JsonNode)layer.ToJson())]),
    });

    public static ByteArrayContent Body(byte[] bytes, string mediaType = "application/octet-stream")
    {
        var content = new ByteArrayContent(bytes);
        content.Headers.TryAddWithoutValidation("Content-Type", mediaType);
        return content;
    }

    public static ByteArrayContent Chunk(byte[] bytes, long from)
    {
        var content = Body(bytes);
        content.Headers.TryAddWithoutValidation("Content-Range", $"{from}-{from + bytes.Length - 1}");
        return content;
    }

    public static string WithDigest(string location, string digest) =>
        $"{location}{(location.Contains('?', StringComparison.Ordinal) ? '&' : '?')}digest={Uri.EscapeDataString(digest)}";

    /// <summary>
    /// The answer to a request that is sent again while it is answered 503, some ten seconds at most: a stalled machine keeps a store from
    /// answering. What is lost is not answered so.
    /// </summary>
    /// <param name="reason">What the answer must contain to be asked for again.</param>
    public static async Task<HttpResponseMessage> SettledAsync(Func<Task<HttpResponseMessage>> send, string reason = "")
    {
        for (var tries = 1; ; tries++)
        {
            var answer = await send();
            if (answer.StatusCode != HttpStatusCode.ServiceUnavailable || tries == 20
                || !(await answer.Content.ReadAsStringAsync()).Contains(reason, StringComparison.Ordinal)) return answer;
            answer.Dispose();
            await Task.Delay(500);
        }
    }

    /// <exception cref="Xunit.Sdk.XunitException">Another status; the message has the answer's body.</exception>
    public static async Task ExpectAsync(HttpResponseMessage answer, HttpStatusCode expected)
    {
        if (answer.StatusCode != expected) Fail(answer, (int)expected, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>Asserts that the answer is an error in the form of the spec with this status and, when given, this code.</summary>
    public static async Task ExpectErrorAsync(HttpResponseMessage answer, int status, string? code = null)
    {
        var body = await answer.Content.ReadAsStringAsync();
        if ((int)answer.StatusCode != status) Fail(answer, status, body);
        Assert.Equal("application/json", answer.Content.Headers.ContentType?.MediaType);
        var error = JsonNode.Parse(body)!["errors"]!.AsArray()[0]!;
        if (code is not null)
            Assert.Equal(code, error["code"]!.GetValue<string>());
    }

    private static void Fail(HttpResponseMessage answer, int expected, string body)
    {
        var asked = $"{answer.RequestMessage!.Method} {answer.RequestMessage.RequestUri}";
        Assert.Fail($"{asked}: expected {expected}, got {(int)answer.StatusCode}: {body}");
    }

    public static AuthenticationHeaderValue Basic(string name, string password) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{name}:{password}")));

    public void Dispose() => _http.Dispose();
}
