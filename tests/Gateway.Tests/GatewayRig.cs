using System.Net.Http.Headers;
using System.Text;
using Gateway.Configuration;
using Gateway.Oci;

namespace Gateway.Tests;

/// <summary>A gateway in this process, on free ports and a folder of its own; both are gone when it is disposed.</summary>
internal sealed class GatewayRig : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-http-").FullName;
    private RunningGateway? _gateway;
    private GatewayOptions _options = new();

    public HttpClient Client { get; private set; } = NewClient();

    private static HttpClient NewClient() => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false, UseCookies = false, Expect100ContinueTimeout = TimeSpan.FromMinutes(1),
    });

    public MemoryStream AccessLog { get; } = new();

    public Uri Url => _gateway!.Listening[0];

    public IReadOnlyList<Uri> Listening => _gateway!.Listening;

    public Uri Operator => LastOperator = _gateway!.Operator;

    /// <summary>Where the operator's port was when it was last asked for; nobody answers there after <see cref="StopAsync"/>.</summary>
    public Uri? LastOperator { get; private set; }

    /// <summary>The volume's folder.</summary>
    public string Storage => Path.Combine(_folder, "data");

    public static async Task<GatewayRig> StartAsync(Func<GatewayOptions, GatewayOptions>? configure = null)
    {
        var rig = new GatewayRig();
        var options = new GatewayOptions
        {
            Listen = [new() { Url = new("http://127.0.0.1:0") }],
            Operator = new() { Url = new("http://127.0.0.1:0") },
            Storage = new() { Path = rig.Storage },
        };
        rig._options = configure?.Invoke(options) ?? options;
        await rig.StartAgainAsync();
        return rig;
    }

    /// <summary>Starts on the same folder, after <see cref="StopAsync"/>; on another port.</summary>
    public async Task StartAgainAsync()
    {
        _gateway = await RunningGateway.StartAsync(_options, AccessLog, TimeProvider.System, default);
        if (Client.BaseAddress is not null)
        {
            // A client's base address cannot be set again, and the port is another.
            Client.Dispose();
            Client = NewClient();
        }
        Client.BaseAddress = Url;
    }

    /// <summary>Puts another configuration in force, as a reload does.</summary>
    public Task UseAsync(Func<GatewayOptions, GatewayOptions> change) => _gateway!.UseAsync(_options = change(_options));

    /// <summary>The gateway's services; only while it runs.</summary>
    public IServiceProvider Services => _gateway!.Services;

    /// <summary>As after the configuration was read again.</summary>
    /// <param name="why">Why it is not in force; null when it is.</param>
    public void Reloaded(string? why) => _gateway!.TellOfReload(why);

    /// <summary>Ends the gateway, so that everything it had to write is written.</summary>
    public async Task StopAsync()
    {
        if (_gateway is not null) await _gateway.DisposeAsync();
        _gateway = null;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await StopAsync();
        Directory.Delete(_folder, recursive: true);
    }

    public Task<HttpResponseMessage> SendAsync(
        string method, string path, HttpContent? content = null, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(new(method), path) { Content = content };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value)) request.Content!.Headers.TryAddWithoutValidation(name, value);
        }
        return Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    /// <summary>Pushes a blob in one request.</summary>
    public async Task<Digest> PushBlobAsync(string repository, byte[] bytes)
    {
        var digest = Digest.Of(bytes);
        using var answer = await SendAsync("POST", $"/v2/{repository}/blobs/uploads/?digest={digest}", new ByteArrayContent(bytes));
        answer.EnsureSuccessStatusCode();
        return digest;
    }

    /// <summary>Pushes an artifact with no layers, and says its digest.</summary>
    public async Task<Digest> PushManifestAsync(string repository, string reference, string? subject = null)
    {
        await PushBlobAsync(repository, "{}"u8.ToArray());
        var bytes = ManifestBytes(subject);
        using var answer = await PutManifestAsync(repository, reference == "" ? Digest.Of(bytes).ToString() : reference, bytes);
        answer.EnsureSuccessStatusCode();
        return Digest.Of(bytes);
    }

    public Task<HttpResponseMessage> PutManifestAsync(
        string repository, string reference, byte[] bytes, string type = MediaTypes.OciManifest)
    {
        var content = new ByteArrayContent(bytes);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        return SendAsync("PUT", $"/v2/{repository}/manifests/{reference}", content);
    }

    private const string Type = "\"artifactType\":\"application/vnd.test\",";

    public static byte[] ManifestBytes(string? subject = null)
    {
        var empty = $$"""{"mediaType":"{{MediaTypes.OciEmpty}}","digest":"{{Digest.Of("{}"u8)}}","size":2}""";
        var about = subject is null ? "" : $$""","subject":{"mediaType":"{{MediaTypes.OciManifest}}","digest":"{{subject}}","size":2}""";
        return Encoding.UTF8.GetBytes(
            $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}",{{Type}}"config":{{empty}},"layers":[{{empty}}]{{about}}}""");
    }

    public static string? Header(HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out var values) || answer.Content.Headers.TryGetValues(name, out values)
            ? string.Join("|", values)
            : null;

    public static async Task<string?> ErrorCodeAsync(HttpResponseMessage answer)
    {
        using var body = System.Text.Json.JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        return body.RootElement.GetProperty("errors")[0].GetProperty("code").GetString();
    }
}
