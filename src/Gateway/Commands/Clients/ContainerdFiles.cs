namespace Gateway.Commands.Clients;

/// <summary>Files of containerd, and of what configures containerd: k3s, RKE2 and kind.</summary>
internal static class ContainerdFiles
{
    private const string Hosts = "/etc/containerd/certs.d";

    private const string OtherFolders =
        "containerd prefers the folder of a registry to _default, even if it holds a certificate only: remove other folders below "
        + Hosts + ".";

    /// <summary>For containerd, nerdctl and kubelets.</summary>
    public static ClientFiles Containerd(ClientView gateway, bool enforce) => new(
        [
            // containerd 2; in 1.x the table has another name.
            new("/etc/containerd/config.toml", $"""
                version = 3

                [plugins.'io.containerd.cri.v1.images'.registry]
                  config_path = "{Hosts}"

                """, IsPart: true),
            .. HostsToml.Below(Hosts, gateway, enforce, withOwn: enforce),
        ],
        [
            "Restart containerd after a change of config.toml only; it reads hosts.toml files at every pull. For containerd 1.x write "
            + "version = 2 and [plugins.\"io.containerd.grpc.v1.cri\".registry].",
            "ctr reads these files only with --hosts-dir.",
            .. enforce ? [OtherFolders] : (string[])[FailsOpen("containerd")],
            .. Account(gateway, "add a [header] table with Authorization = \"Basic …\" to the file of _default"),
        ]);

    /// <summary>For k3s and RKE2, which write containerd's files from their own.</summary>
    public static ClientFiles K3s(ClientView gateway, bool enforce)
    {
        // A closed node asks the gateway for everything; an open one only for what the gateway has.
        var names = enforce ? ["*"] : gateway.Upstreams.SelectMany(upstream => upstream.Namespaces).ToArray();
        var mirrors = string.Concat(names.Select(name => $"  \"{name}\":\n    endpoint: [\"{gateway.Url}\"]\n"));
        var authority = gateway.Authority is { } file
            ? $"configs:\n  \"{gateway.Host}\":\n    tls: {{ ca_file: \"{file}\" }}\n"
            : "";
        var registries = new ClientFile("/etc/rancher/k3s/registries.yaml", $"mirrors:\n{mirrors}{authority}");
        return new(
            enforce
                ? [registries, new("/etc/rancher/k3s/config.yaml", "disable-default-registry-endpoint: true\n", IsPart: true)]
                : [registries],
            [
                "Restart k3s or k3s-agent on every node. For RKE2 write the files below /etc/rancher/rke2.",
                .. enforce
                    ? ["Leave --embedded-registry off: with it nodes give each other images without the gateway."]
                    : (string[])[FailsOpen("k3s")],
                .. Account(gateway, $"add auth: {{ username: …, password: … }} under configs.\"{gateway.Host}\""),
            ]);
    }

    /// <summary>For clusters of kind: its nodes are containers with containerd.</summary>
    public static ClientFiles Kind(ClientView gateway, bool enforce)
    {
        const string Folder = "./certs.d";
        return new(
            [
                new("kind.yaml", $"""
                    kind: Cluster
                    apiVersion: kind.x-k8s.io/v1alpha4
                    containerdConfigPatches:
                      - |-
                        [plugins."io.containerd.cri.v1.images".registry]
                          config_path = "{Hosts}"
                    nodes:
                      - role: control-plane
                        extraMounts:
                          - hostPath: {Folder}
                            containerPath: {Hosts}
                            readOnly: true

                    """),
                .. HostsToml.Below(Folder, gateway, enforce, withOwn: false),
            ],
            [
                "Create the cluster with: kind create cluster --config kind.yaml. Repeat extraMounts for each node.",
                "For nodes with containerd 1.x write [plugins.\"io.containerd.grpc.v1.cri\".registry] in kind.yaml.",
                .. gateway.Authority is null
                    ? []
                    : (string[])[$"Put the authority's certificate where the nodes find {gateway.Authority}: below {Folder}, for example."],
                .. enforce ? [] : (string[])[FailsOpen("containerd")],
                .. Account(gateway, "add a [header] table with Authorization = \"Basic …\" to hosts.toml"),
            ]);
    }

    /// <summary>The warning for a form that is a cache and no control.</summary>
    public static string FailsOpen(string client) =>
        $"This fails open: {client} asks the registry itself when the gateway is down, or when its policy refuses the image; "
        + "--enforce prints the form that fails closed.";

    /// <summary>What to do if pulls need an account.</summary>
    public static IEnumerable<string> Account(ClientView gateway, string what) =>
        gateway.IsOpenToPull ? [] : [$"This gateway asks for an account: {what}."];
}
