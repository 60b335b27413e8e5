using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Gateway.Commands;
using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.Commands.Doctor;

/// <summary>A gateway that runs with a file, and <c>gateway doctor</c> with the same file.</summary>
internal sealed class DoctorRig : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-doctor-");
    private GatewayRig? _gateway;

    /// <summary>What clients of this machine have: their <c>/etc</c> is below it.</summary>
    public string Files => Path.Combine(_folder.FullName, "client");

    public Uri Url { get; } = FreeAddress();

    /// <summary>The gateway that runs.</summary>
    public GatewayRig Gateway => _gateway!;

    private string Config => Path.Combine(_folder.FullName, "gateway.yaml");

    /// <summary>Starts a gateway.</summary>
    /// <param name="yaml">The configuration without listen, operator and storage.</param>
    /// <param name="scheme">The scheme of the clients' port.</param>
    /// <param name="prepare">Called with the folder of the volume before the gateway opens it.</param>
    public static async Task<DoctorRig> StartAsync(string yaml = "", string scheme = "http", Action<string>? prepare = null)
    {
        var rig = new DoctorRig();
        rig.Configure(yaml, scheme);
        prepare?.Invoke(Path.Combine(rig._folder.FullName, "data"));
        var loaded = ConfigurationLoader.Load(rig.Config, []);
        Assert.Empty(loaded.Mistakes.Select(mistake => mistake.ToString()));
        rig._gateway = await GatewayRig.StartAsync(_ => loaded.Options!);
        return rig;
    }

    /// <summary>Writes a configuration that no gateway runs with.</summary>
    public void Configure(string yaml, string scheme = "http") => File.WriteAllText(Config, $$"""
        listen: {{scheme}}://{{Url.Authority}}
        operator: {{_operator.GetLeftPart(UriPartial.Authority)}}
        storage: { path: "{{_folder.FullName}}/data" }
        {{yaml}}
        """);

    private readonly Uri _operator = FreeAddress();

    /// <summary>Writes a file of a client.</summary>
    public void WriteClientFile(string path, string text)
    {
        var file = Path.Join(Files, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }

    /// <summary>Runs the command, and returns its findings as (level, code, about, problem and fix).</summary>
    public async Task<(int Code, (string Level, string Code, string About, string Text)[] Found)> ExamineAsync(params string[] options)
    {
        var (code, output) = await RunAsync(["--json", .. options]);
        using var document = JsonDocument.Parse(output);
        return (code, [.. document.RootElement.EnumerateArray().Select(each => (
            each.GetProperty("level").GetString()!, each.GetProperty("code").GetString()!, each.GetProperty("about").GetString()!,
            $"{each.GetProperty("problem").GetString()}; {each.GetProperty("fix").GetString()}"))]);
    }

    public async Task<(int Code, string Output)> RunAsync(params string[] options)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.RunAsync(["doctor", "--config", Config, "--files", Files, .. options], output, error);
        Assert.Equal("", error.ToString());
        return (code, output.ToString());
    }

    /// <summary>Writes the files that <c>gateway client-config --enforce</c> prints for a client.</summary>
    public async Task WritePrintedFilesAsync(string client)
    {
        var output = new StringWriter();
        Assert.Equal(
            0, await CommandLine.RunAsync(["client-config", client, "--enforce", "--json", "--config", Config], output, TextWriter.Null));
        using var document = JsonDocument.Parse(output.ToString());
        foreach (var file in document.RootElement.GetProperty("files").EnumerateArray())
            WriteClientFile(file.GetProperty("path").GetString()!, file.GetProperty("content").GetString()!);
    }

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null) await _gateway.DisposeAsync();
        if (_folder.Exists) _folder.Delete(recursive: true);
    }

    private static Uri FreeAddress()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return new($"http://{socket.LocalEndPoint}");
    }
}
