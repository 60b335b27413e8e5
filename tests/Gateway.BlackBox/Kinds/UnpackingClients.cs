using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Kinds;

/// <summary>Real clients that unpack a manifest into a file system.</summary>
internal sealed class UnpackingClients : IAsyncDisposable
{
    private readonly Client _client = new();
    private readonly Podman _podman;
    private readonly DeadEnd _internet = new();
    private Dockerd? _docker;
    private Containerd _containerd = null!;
    private int _number;

    private UnpackingClients() => _podman = new Podman(_client);

    /// <summary>Each client by name: runs it on a reference, and returns whether it unpacked something.</summary>
    public Dictionary<string, Func<string, Task<bool>>> All { get; private set; } = [];

    /// <summary>
    /// Whether a client unpacks any bytes, whatever the manifest says about them: what it unpacks need not be evaluated as an image.
    /// </summary>
    public static bool LooksAtNoType(string client) => client == "crane";

    public static async Task<UnpackingClients> StartAsync()
    {
        var clients = new UnpackingClients();
        clients._docker = await Dockerd.StartAsync(clients._client, "{}", containerdStore: false, clients._internet.Url);
        clients._containerd = clients._docker.Containerd;
        clients.All = new Dictionary<string, Func<string, Task<bool>>>
        {
            ["podman"] = clients.PodmanAsync,
            ["skopeo"] = clients.SkopeoAsync,
            ["crane"] = clients.CraneAsync,
            ["containerd"] = clients.ContainerdAsync,
            ["docker"] = clients.DockerAsync,
            ["oras"] = clients.OrasAsync,
            ["apptainer"] = clients.ApptainerAsync,
            ["umoci"] = clients.UmociAsync,
        };
        return clients;
    }

    private async Task<bool> PodmanAsync(string reference) =>
        (await _podman.PullAsync(reference, "--tls-verify=false")).ExitCode == 0;

    private async Task<bool> SkopeoAsync(string reference)
    {
        var file = Next();
        var copied = await _client.SkopeoAsync("copy", "--src-tls-verify=false", $"docker://{reference}", $"docker-archive:{file}");
        return copied.ExitCode == 0;
    }

    private async Task<bool> CraneAsync(string reference)
    {
        var file = Next();
        var exported = await _client.CraneAsync("export", "--insecure", reference, file);
        if (exported.ExitCode != 0) return false;
        var bytes = await File.ReadAllBytesAsync(file);
        return bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(CostumeCorpus.MarkerText)) >= 0;
    }

    // It may succeed without having unpacked anything.
    private async Task<bool> ContainerdAsync(string reference)
    {
        var before = MarkersIn(_client.Folder["containerd/root"]);
        await _containerd.CtrAsync("images", "pull", "--local", "--plain-http", "--snapshotter", "native", reference);
        return MarkersIn(_client.Folder["containerd/root"]) > before;
    }

    private async Task<bool> DockerAsync(string reference) => (await _docker!.RunAsync("pull", reference)).ExitCode == 0;

    private async Task<bool> OrasAsync(string reference)
    {
        var folder = Next();
        await _client.OrasAsync("pull", "--plain-http", "--output", folder, reference);
        return HasMarker(folder);
    }

    private async Task<bool> ApptainerAsync(string reference)
    {
        // It prints this once it has extracted all layers. The next steps need an installation in /usr.
        var built = await _client.RunAsync("apptainer", "build", "--no-https", "--sandbox", Next(), $"docker://{reference}");
        return built.Text.Contains("Inserting Apptainer configuration", StringComparison.Ordinal);
    }

    private async Task<bool> UmociAsync(string reference)
    {
        var (layout, folder) = (Next(), Next());
        await _client.SkopeoAsync("copy", "--src-tls-verify=false", $"docker://{reference}", $"oci:{layout}:x");
        await _client.RunAsync("umoci", "raw", "unpack", "--rootless", "--image", $"{layout}:x", folder);
        return HasMarker(folder);
    }

    // The path of a new file or folder, which does not exist yet.
    private string Next() => _client.Folder[$"out-{Interlocked.Increment(ref _number)}"];

    private static bool HasMarker(string folder) => MarkersIn(folder) > 0;

    // The folder may still be written to.
    private static int MarkersIn(string folder) => Directory.Exists(folder)
        ? Directory.EnumerateFiles(folder, $"{CostumeCorpus.MarkerFile}*", new EnumerationOptions { RecurseSubdirectories = true }).Count()
        : 0;

    public async ValueTask DisposeAsync()
    {
        if (_docker is not null) await _docker.DisposeAsync();
        _internet.Dispose();
        _client.Dispose();
    }
}
