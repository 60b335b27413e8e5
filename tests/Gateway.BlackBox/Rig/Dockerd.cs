namespace Gateway.BlackBox.Rig;

/// <summary>A test's own dockerd on its own containerd: no network, no container, everything in the client's folder.</summary>
internal sealed class Dockerd : IAsyncDisposable
{
    private readonly Client _client;
    private readonly Containerd _containerd;
    private readonly RootlessKit _rootlessKit;
    private readonly Server _server;

    private Dockerd(Client client, Containerd containerd, string daemonJson, bool containerdStore, string? proxy)
    {
        _client = client;
        _containerd = containerd;
        var at = client.Folder["docker"];
        _rootlessKit = new($"{at}/rootlesskit");
        _server = Server.Start(
            RigFolder.Program("dockerd"),
            [
                "--config-file", client.Folder.Write("docker/daemon.json", daemonJson), "--host", Host, "--containerd", containerd.Socket,
                "--data-root", $"{at}/root", "--exec-root", $"{at}/run", "--pidfile", $"{at}/pid",
                "--bridge=none", "--iptables=false", "--ip6tables=false", "--userland-proxy=false",
                .. proxy is null ? [] : (string[])["--https-proxy", proxy],
                "--storage-driver", containerdStore ? "native" : "vfs",
                $"--feature=containerd-snapshotter={(containerdStore ? "true" : "false")}",
            ],
            new Dictionary<string, string>
            {
                ["PATH"] = $"{RigFolder.Root}/bin:/usr/sbin:/usr/bin:/sbin:/bin", // dockerd wants to know runc's version
                ["HOME"] = client.Folder["home"],
                ["TMPDIR"] = client.Folder["tmp"],
                ["ROOTLESSKIT_STATE_DIR"] = $"{at}/rootlesskit",
                ["XDG_CONFIG_HOME"] = $"{at}/config",
                ["XDG_RUNTIME_DIR"] = $"{at}/run",
            });
    }

    /// <summary>The value of <c>DOCKER_HOST</c>.</summary>
    public string Host => $"unix://{_client.Folder["docker.sock"]}";

    /// <summary>The containerd under it, which can also pull by itself.</summary>
    public Containerd Containerd => _containerd;

    /// <summary>Starts dockerd.</summary>
    /// <param name="client">The client whose folder it uses, and whose <c>docker</c> commands it answers.</param>
    /// <param name="daemonJson">Its daemon.json.</param>
    /// <param name="containerdStore">Whether containerd stores the images, as in new installations of Docker 29, or dockerd itself.</param>
    /// <param name="proxy">The proxy for its https requests; null for that of daemon.json.</param>
    public static async Task<Dockerd> StartAsync(Client client, string daemonJson, bool containerdStore, string? proxy)
    {
        var dockerd = new Dockerd(client, await Containerd.StartAsync(client), daemonJson, containerdStore, proxy);
        try
        {
            await dockerd._server.ReadyOrEndedAsync(() => Eventually.TrueAsync(
                async () => (await dockerd.RunAsync("version")).ExitCode == 0, () => $"dockerd did not start:\n{dockerd._server.Tail()}"));
        }
        catch
        {
            await dockerd._containerd.DisposeAsync();
            dockerd._rootlessKit.Dispose();
            throw;
        }
        return dockerd;
    }

    /// <summary>Writes a file below the folder that replaces /etc/docker/certs.d; the running dockerd sees it.</summary>
    public void Configure(string file, string text) => _client.Folder.Write($"docker/config/docker/certs.d/{file}", text);

    public Task<Output> RunAsync(params string[] arguments) => _client.RunAsync("docker", ["--host", Host, .. arguments]);

    /// <summary>Builds with its BuildKit. A build without <c>RUN</c> starts no container.</summary>
    public Task<Output> BuildAsync(params string[] arguments)
    {
        _client.Environment["DOCKER_HOST"] = Host;
        return _client.RunAsync("docker-buildx", ["build", .. arguments]);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.StopAsync();
        await _server.DisposeAsync();
        await _containerd.DisposeAsync();
        _rootlessKit.Dispose();
    }
}
