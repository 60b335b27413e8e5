namespace Gateway.BlackBox.Rig;

/// <summary>podman for one test: images, locks and configuration are in the client's folder; no container is run.</summary>
internal sealed class Podman
{
    private readonly Client _client;

    /// <param name="client">The client whose folder and environment it uses.</param>
    /// <param name="partial">
    /// Stores images on overlay, which is required to fetch parts of a layer, and fetches parts of zstd:chunked layers; otherwise images
    /// are plain folders.
    /// </param>
    public Podman(Client client, bool partial = false)
    {
        _client = client;
        var at = client.Folder["podman"];
        var engines = Path.Combine(RigFolder.Root, "engines", "usr");
        client.Folder.Write("home/.config/containers/policy.json", """{ "default": [{ "type": "insecureAcceptAnything" }] }""");
        client.Environment["PODMAN_IGNORE_CGROUPSV1_WARNING"] = "1";
        client.Environment["CONTAINERS_STORAGE_CONF"] = client.Folder.Write("podman/storage.conf", $"""
            [storage]
            driver = "{(partial ? "overlay" : "vfs")}"
            graphroot = "{at}/storage"
            runroot = "{at}/run"
            [storage.options.pull_options]
            enable_partial_images = "{(partial ? "true" : "false")}"
            """);
        client.Environment["CONTAINERS_CONF"] = client.Folder.Write("podman/containers.conf", $"""
            [engine]
            cgroup_manager = "cgroupfs"
            events_logger = "none"
            lock_type = "file"
            runtime = "crun"
            conmon_path = ["{engines}/bin/conmon"]
            helper_binaries_dir = ["{engines}/lib/podman"]
            static_dir = "{at}/storage/libpod"
            tmp_dir = "{at}/run/libpod"
            volume_path = "{at}/storage/volumes"
            [engine.runtimes]
            crun = ["{engines}/bin/crun"]
            [network]
            network_config_dir = "{at}/storage/networks"
            """);
        Configure(""); // so that the configuration of the machine is not read
    }

    /// <summary>Writes registries.conf, which skopeo also uses; CRI-O reads it in the same way.</summary>
    public void Configure(string registries) => _client.Folder.Write("home/.config/containers/registries.conf", registries);

    /// <summary>Installs an authority's certificate for this host.</summary>
    public void Trust(string host, Authority authority) =>
        _client.Folder.Write($"home/.config/containers/certs.d/{host}/ca.crt", File.ReadAllText(authority.AuthorityFile));

    public Task<Output> RunAsync(params string[] arguments) => _client.RunAsync("podman", arguments);

    public Task<Output> PullAsync(string reference, params string[] options) => RunAsync(["pull", "--quiet", .. options, reference]);

    /// <summary>Removes every image, because stored content is not fetched again.</summary>
    public async Task ForgetAsync() => (await RunAsync("rmi", "--all", "--force")).Succeeded();
}
