using System.Globalization;

namespace Gateway.BlackBox.Rig;

/// <summary>The built gateway as a process of its own, on free loopback ports, with a configuration and storage of its own.</summary>
internal sealed class GatewayProcess : IRegistry
{
    /// <summary>
    /// A cold start of the runtime on a busy machine of two cores; the promise of 5 s after a kill is asserted where it is made.
    /// </summary>
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    private readonly TempFolder _folder = new();
    private readonly int _port = Server.FreePort();
    private readonly int _operatorPort = Server.FreePort();
    private readonly string _storage;
    private readonly Authority? _authority;
    private Server? _server;

    private GatewayProcess(string? storage, Authority? authority)
    {
        _storage = storage ?? _folder["data"];
        _authority = authority;
    }

    public string Host => $"127.0.0.1:{_port}";

    public Uri Operator => new($"http://127.0.0.1:{_operatorPort}");

    public string Storage => _storage;

    public string ConfigurationFile => _folder["gateway.yaml"];

    public Server Server => _server ?? throw new InvalidOperationException("The gateway is not running.");

    public string Log => _server?.Tail() ?? "";

    /// <summary>Most memory that was ever resident, in bytes.</summary>
    public long PeakResidentBytes => long.Parse(
        File.ReadLines($"/proc/{Server.Id}/status").Single(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2],
        CultureInfo.InvariantCulture) << 10;

    /// <summary>Configures and starts.</summary>
    /// <param name="yaml">Everything but listen, operator and storage.</param>
    /// <param name="storage">A volume to serve; null for a new one that goes with the process.</param>
    /// <param name="authority">Whose certificate it shows to clients; null for plain http.</param>
    public static async Task<GatewayProcess> StartAsync(string yaml = "", string? storage = null, Authority? authority = null)
    {
        var gateway = new GatewayProcess(storage, authority);
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

    /// <summary>Writes gateway.yaml, in one rename; a running gateway sees the change.</summary>
    public void Configure(string yaml)
    {
        _folder.Write("gateway.yaml.new", $$"""
            {{Listen}}
            operator: {{Operator.ToString().TrimEnd('/')}}
            storage: { path: "{{_storage}}" }
            {{yaml}}
            """);
        File.Move(_folder["gateway.yaml.new"], ConfigurationFile, overwrite: true);
    }

    /// <summary>Starts on the same ports and storage, and waits for the operator's port to answer 200.</summary>
    public async Task StartAgainAsync(TimeSpan? within = null, string health = "/readyz")
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _server = Server.Start("dotnet", [Assembly, "serve", "--config", ConfigurationFile]);
        await _server.WaitUntilReadyAsync(new Uri(Operator, health), within ?? StartLimit);
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _folder.Dispose();
    }

    private string Listen => _authority is null
        ? $"listen: http://{Host}"
        : $"listen: https://{Host}\ntls: {{ certificate: \"{_authority.CertificateFile}\", key: \"{_authority.KeyFile}\" }}";

#if DEBUG
    private const string BuildConfiguration = "Debug";
#else
    private const string BuildConfiguration = "Release";
#endif

    /// <summary>The built program, to be run by <c>dotnet</c>.</summary>
    public static string Assembly { get; } =
        Path.Combine(RigFolder.Repository, "src", "Gateway", "bin", BuildConfiguration, "net10.0", "gateway.dll");
}
