using System.Text.RegularExpressions;

namespace Gateway.BlackBox.Rig;

/// <summary>A line of the access log: <c>GET /v2/…</c>, and the User-Agent.</summary>
internal sealed record Asked(string Request, string Agent);

/// <summary>
/// Debian's docker-registry (CNCF distribution 2.8): an upstream whose access log can be counted, and the other program that uses the
/// gateway's volume.
/// </summary>
internal sealed partial class DockerRegistry : IRegistry
{
    private readonly TempFolder _folder = new();
    private readonly int _port = FreePorts.Next();
    private Server? _server;

    private readonly Authority? _authority;

    private DockerRegistry(string? storage, Authority? authority)
    {
        Storage = storage ?? _folder["data"];
        _authority = authority;
    }

    public string Host => $"127.0.0.1:{_port}";

    public Uri Url => new($"{(_authority is null ? "http" : "https")}://{Host}");

    public string Storage { get; }

    public string Log => _server?.Tail() ?? "";

    /// <summary>Every request so far as <c>GET /v2/…</c>, in the order of the answers.</summary>
    public string[] Requests => [.. Lines().Select(m => m.Groups[1].Value)];

    /// <summary>
    /// Every request that was answered before this call, with its User-Agent. The log is written after the answer, so this method sends a
    /// request of its own and waits for its line: all earlier lines are then written.
    /// </summary>
    public async Task<Asked[]> SettledAsync()
    {
        var mark = $"/v2/?mark={Guid.NewGuid():N}";
        using (var http = Server.AnyCertificate())
            (await http.GetAsync(new Uri(Url, mark))).Dispose();
        await Eventually.TrueAsync(() => Task.FromResult(Requests.Contains($"GET {mark}")), () => $"{mark} is not in the log:\n{Log}");
        return [.. Lines().Select(m => new Asked(m.Groups[1].Value, m.Groups[2].Value))
            .Where(asked => !asked.Request.Contains("?mark=", StringComparison.Ordinal))];
    }

    /// <summary>Starts the registry over a bucket, with its own driver for S3.</summary>
    public static async Task<DockerRegistry> StartAsync(Uri endpoint, string bucket, string accessKey, string secretKey)
    {
        var registry = new DockerRegistry(null, null);
        registry._folder.Write("config.yml", $$"""
            version: 0.1
            log: { level: warn }
            storage:
              s3:
                { accesskey: {{accessKey}}, secretkey: {{secretKey}}, region: us-east-1, regionendpoint: "{{endpoint}}", bucket: {{bucket}}, secure: false }
              delete: { enabled: true }
              redirect: { disable: true }
            http: { addr: "{{registry.Host}}" }
            """);
        await registry.StartAgainAsync();
        return registry;
    }

    /// <summary>Starts the registry.</summary>
    /// <param name="storage">A volume to serve; null for a new one that is removed with the process.</param>
    /// <param name="user">Name and password that basic authentication requires; null serves every client.</param>
    /// <param name="authority">The authority of its certificate; null for plain http.</param>
    public static async Task<DockerRegistry> StartAsync(
        string? storage = null, (string Name, string Password)? user = null, Authority? authority = null)
    {
        var registry = new DockerRegistry(storage, authority);
        await registry.ConfigureAsync(user);
        await registry.StartAgainAsync();
        return registry;
    }

    public async Task StartAgainAsync()
    {
        Directory.CreateDirectory(Storage);
        _server = Server.Start(RigFolder.Program("docker-registry"), ["serve", _folder["config.yml"]], Quiet);
        await _server.WaitUntilReadyAsync(new Uri(Url, "/"), Patience.Of(30));
    }

    public async Task StopAsync()
    {
        await _server!.DisposeAsync();
        _server = null;
    }

    /// <summary>Runs its own garbage collector over the volume while it is stopped.</summary>
    public async Task<string> CollectGarbageAsync(bool deleteUntagged)
    {
        string[] arguments = deleteUntagged
            ? ["garbage-collect", "--delete-untagged", _folder["config.yml"]]
            : ["garbage-collect", _folder["config.yml"]];
        using var client = new Client();
        return (await client.RunAsync("docker-registry", arguments)).Succeeded().Stdout;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _folder.Dispose();
    }

    // Its driver for S3 fails at its start when there is an authority's file in the environment.
    private static readonly Dictionary<string, string> Quiet = new() { ["OTEL_TRACES_EXPORTER"] = "none", ["AWS_CA_BUNDLE"] = "" };

    [GeneratedRegex("\"((?:GET|HEAD|PUT|POST|PATCH|DELETE) [^ ]+) HTTP/[12]\\.[01]\" \\d+ \\d+ \"[^\"]*\" \"([^\"]*)\"")]
    private static partial Regex AccessLine();

    private string Tls => _authority is null
        ? ""
        : $", tls: {{ certificate: \"{_authority.CertificateFile}\", key: \"{_authority.KeyFile}\" }}";

    private IEnumerable<Match> Lines() => _server!.Output.Select(line => AccessLine().Match(line)).Where(m => m.Success);

    private async Task ConfigureAsync((string Name, string Password)? user)
    {
        var auth = "";
        if (user is var (name, password))
        {
            using var client = new Client();
            var line = (await client.RunAsync("htpasswd", "-nbB", name, password)).Succeeded().Stdout;
            _folder.Write("htpasswd", line.Trim() + "\n");
            auth = $"auth: {{ htpasswd: {{ realm: test, path: \"{_folder["htpasswd"]}\" }} }}";
        }
        _folder.Write("config.yml", $$"""
            version: 0.1
            log: { level: warn }
            storage: { filesystem: { rootdirectory: "{{Storage}}" }, delete: { enabled: true } }
            http: { addr: "{{Host}}"{{Tls}} }
            {{auth}}
            """);
    }
}
