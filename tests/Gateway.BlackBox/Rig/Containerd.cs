namespace Gateway.BlackBox.Rig;

/// <summary>
/// A test's own containerd: socket, root, state and hosts.toml are in the client's folder, and snapshots are plain folders.
/// </summary>
internal sealed class Containerd : IAsyncDisposable
{
    private readonly Client _client;
    private readonly Server _server;

    private Containerd(Client client)
    {
        _client = client;
        var at = client.Folder["containerd"];
        var page = client.Folder.Write("containerd/page.toml", new Page("containerd.md").Block(
            "/etc/containerd/config.toml", "Setting it up", ("/etc/containerd/certs.d", Hosts)));
        client.Folder.Write("containerd/config.toml", $"""
            version = 3
            imports = ["{page}"]
            root = "{at}/root"
            state = "{at}/state"
            disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]
            [grpc]
              address = "{Socket}"
            [ttrpc]
              address = "{Socket}.ttrpc"
            [plugins.'io.containerd.cri.v1.images']
              snapshotter = "native"
              use_local_image_pull = true
            """);
        _server = Server.Start(RigFolder.Program("containerd"), ["--config", $"{at}/config.toml"], client.Environment);
    }

    public string Socket => _client.Folder["containerd/socket"];

    /// <summary>The folder that replaces /etc/containerd/certs.d.</summary>
    public string Hosts => _client.Folder["containerd/certs.d"];

    public string Log => _server.Tail();

    public static async Task<Containerd> StartAsync(Client client)
    {
        var containerd = new Containerd(client);
        await containerd._server.ReadyOrEndedAsync(() => Eventually.TrueAsync(
            async () => File.Exists(containerd.Socket) && (await containerd.CtrAsync("version")).ExitCode == 0,
            () => $"containerd did not start:\n{containerd.Log}"));
        return containerd;
    }

    /// <summary>Writes the hosts.toml of a registry, or of <c>_default</c>; the running containerd sees it.</summary>
    public void Configure(string registry, string hosts) => _client.Folder.Write($"containerd/certs.d/{registry}/hosts.toml", hosts);

    public Task<Output> CtrAsync(params string[] arguments) => _client.RunAsync("ctr", ["--address", Socket, .. arguments]);

    /// <summary>Resolves, fetches and unpacks: in the client's process, with the daemon's content store.</summary>
    public Task<Output> PullAsync(string reference, params string[] options) => CtrAsync(
        ["images", "pull", "--local", "--snapshotter", "native", "--hosts-dir", Hosts, .. options, reference]);

    /// <summary>Pulls as a kubelet does, by CRI.</summary>
    public Task<CriAnswer> PullAsKubeletAsync(string reference) => CriImages.PullAsync(Socket, reference);

    /// <summary>The digests of all content that it has.</summary>
    public async Task<string[]> ContentAsync(string space = "default") =>
        [.. (await CtrAsync("--namespace", space, "content", "ls", "--quiet")).Succeeded().Stdout
            .Split('\n', StringSplitOptions.RemoveEmptyEntries).Order()];

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
