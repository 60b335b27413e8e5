using System.Globalization;

namespace Gateway.BlackBox.Rig;

/// <summary>The built gateway as a separate process, on free loopback ports, with its own configuration and storage.</summary>
internal sealed class GatewayProcess : IRegistry
{
    /// <summary>
    /// Limit of a cold start of the runtime on a busy machine with two cores. The tests of the promise of 5 s after a kill assert that
    /// themselves.
    /// </summary>
    private static TimeSpan StartLimit => Patience.Of(60);

    private readonly TempFolder _folder = new();
    private readonly int _port = FreePorts.Next();
    private readonly int _operatorPort = FreePorts.Next();
    private readonly string _storage;
    private readonly Authority? _authority;
    private readonly IReadOnlyDictionary<string, string>? _environment;
    private readonly string _assembly;
    private readonly List<string> _leaks = [];
    private Server? _server;

    private readonly string? _bucket;

    private GatewayProcess(
        string? storage, Authority? authority, IReadOnlyDictionary<string, string>? environment, string? assembly, string? bucket)
    {
        (_assembly, _bucket) = (assembly ?? Assembly, bucket);
        _storage = storage ?? _folder["data"];
        _authority = authority;
        _environment = environment;
    }

    public string Host => $"127.0.0.1:{_port}";

    public Uri Operator => new($"http://127.0.0.1:{_operatorPort}");

    public string Storage => _storage;

    public string ConfigurationFile => _folder["gateway.yaml"];

    public Server Server => _server ?? throw new InvalidOperationException("The gateway is not running.");

    public string Log => _server?.Tail() ?? "";

    /// <summary>The lines of output so far; none while it is started again.</summary>
    public string[] Output => _server?.Output ?? [];

    /// <summary>Peak of resident memory, in bytes.</summary>
    public long PeakResidentBytes => long.Parse(
        File.ReadLines($"/proc/{Server.Id}/status").Single(line => line.StartsWith("VmHWM:", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2],
        CultureInfo.InvariantCulture) << 10;

    /// <summary>Configures and starts a gateway.</summary>
    /// <param name="yaml">The configuration without listen, operator and storage.</param>
    /// <param name="storage">A volume to serve; null for a new one that is removed with the process.</param>
    /// <param name="authority">The authority of its certificate for clients; null for plain http.</param>
    /// <param name="environment">Environment variables in addition to those of the test.</param>
    /// <param name="assembly">The program; null for the one that was built.</param>
    /// <param name="bucket">The value of <c>storage.s3</c>; null for the disk alone.</param>
    public static async Task<GatewayProcess> StartAsync(
        string yaml = "", string? storage = null, Authority? authority = null, IReadOnlyDictionary<string, string>? environment = null,
        string? assembly = null, string? bucket = null)
    {
        var gateway = new GatewayProcess(storage, authority, environment, assembly, bucket);
        gateway.Configure(yaml);
        try
        {
            await gateway.StartAgainAsync(StartLimit);
        }
        catch
        {
            await gateway.DisposeAsync();
            throw;
        }
        return gateway;
    }

    /// <summary>Writes gateway.yaml by one rename; a running gateway sees the change.</summary>
    public void Configure(string yaml)
    {
        _folder.Write("gateway.yaml.new", $$"""
            {{Listen}}
            operator: {{Operator.ToString().TrimEnd('/')}}
            storage: { path: "{{_storage}}"{{(_bucket is null ? "" : $", s3: {_bucket}")}} }
            {{yaml}}
            """);
        File.Move(_folder["gateway.yaml.new"], ConfigurationFile, overwrite: true);
    }

    /// <summary>Starts on the same ports and storage, and waits until the operator port answers 200.</summary>
    /// <param name="by">A program that runs it, and its arguments; none to run it directly.</param>
    public async Task StartAgainAsync(TimeSpan? within = null, string health = "/readyz", params string[] by)
    {
        await EndAsync();
        string[] command = [.. by, "dotnet", _assembly, "serve", "--config", ConfigurationFile];
        // For the runtime's sockets for debuggers, which a killed process leaves.
        var temporary = Directory.CreateDirectory(_folder["tmp"]).FullName;
        var environment = new Dictionary<string, string>(_environment ?? new Dictionary<string, string>()) { ["TMPDIR"] = temporary };
        _server = Server.Start(command[0], command[1..], environment);
        await _server.WaitUntilReadyAsync(new Uri(Operator, health), within ?? StartLimit);
    }

    /// <summary>
    /// Ends the process. Fails when its output or an answer of its operator port contains a secret (<see cref="Canary"/>).
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        _leaks.AddRange(Written().Where(file => Canary.IsIn(File.ReadAllText(file))));
        _folder.Dispose();
        Assert.True(_leaks.Count == 0, $"a secret was leaked: {string.Join('\n', _leaks)}");
    }

    private async Task EndAsync()
    {
        if (_server is null)
            return;
        if (!_server.HasExited)
            await AskOperatorAsync();
        await _server.DisposeAsync();
        _leaks.AddRange(_server.Leaks);
        _server = null;
    }

    private async Task AskOperatorAsync()
    {
        using var http = new HttpClient { BaseAddress = Operator, Timeout = Patience.Of(10) };
        foreach (var path in (string[])["/metrics", "/readyz?verbose", "/api/v1/stats"])
        {
            try
            {
                using var answer = await http.GetAsync(path);
                var text = await answer.Content.ReadAsStringAsync();
                if (Canary.IsIn(text))
                    _leaks.Add($"{path}: {text}");
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
            {
                // A gateway that the test has stopped does not answer.
            }
        }
    }

    /// <summary>What it writes for people to read: decisions, and other files of lines.</summary>
    private IEnumerable<string> Written()
    {
        var own = Path.Combine(_storage, "gateway");
        return Directory.Exists(own) ? Directory.EnumerateFiles(own, "*.jsonl", SearchOption.AllDirectories) : [];
    }

    private string Listen => _authority is null
        ? $"listen: http://{Host}"
        : $"listen: https://{Host}\ntls: {{ certificate: \"{_authority.CertificateFile}\", key: \"{_authority.KeyFile}\" }}";

#if DEBUG
    private const string BuildConfiguration = "Debug";
#else
    private const string BuildConfiguration = "Release";
#endif

    /// <summary>The built program, which <c>dotnet</c> runs.</summary>
    public static string Assembly { get; } =
        Path.Combine(RigFolder.Repository, "src", "Gateway", "bin", BuildConfiguration, "net10.0", "gateway.dll");
}
