using System.Text;

namespace Gateway.Commands.Clients;

/// <summary>
/// Files of podman, buildah and skopeo, and of CRI-O, which reads them with the same library (containers-registries.conf(5),
/// containers-policy.json(5)).
/// </summary>
internal static class ContainersFiles
{
    private const string Registries = "/etc/containers/registries.conf.d/50-gateway.conf";
    private const string Accept = """[{ "type": "insecureAcceptAnything" }]""";

    // Images that do not come from a registry stay allowed (containers-transports(5)).
    private static readonly string[] LocalTransports =
        ["containers-storage", "dir", "docker-archive", "docker-daemon", "oci", "oci-archive", "tarball"];

    public static ClientFiles Podman(ClientView gateway, bool enforce) => new(
        Files(gateway, enforce),
        [
            "podman, buildah and skopeo read the files at every command.",
            .. Notes(gateway, enforce, "podman"),
            .. ContainerdFiles.Account(gateway, $"run podman login {gateway.Host}"),
        ]);

    public static ClientFiles Crio(ClientView gateway, bool enforce) => new(
        Files(gateway, enforce),
        [
            "Write the files on every node, then run: systemctl reload crio.",
            .. Notes(gateway, enforce, "CRI-O"),
            .. ContainerdFiles.Account(gateway, "write it to the file that global_auth_file of crio.conf names"),
        ]);

    private static ClientFile[] Files(ClientView gateway, bool enforce)
    {
        var text = new StringBuilder();
        foreach (var upstream in gateway.Upstreams)
        {
            foreach (var name in upstream.Namespaces)
            {
                if (text.Length > 0) text.Append('\n');
                text.Append($"[[registry]]\nlocation = {Toml.Text(name)}\n");
                // Blocked registries are asked for nothing, but their mirrors are still asked for pulls.
                if (enforce) text.Append("blocked = true\n");
                else if (upstream.Url.Scheme == Uri.UriSchemeHttp) text.Append("insecure = true\n");
                text.Append($"\n[[registry.mirror]]\nlocation = {Toml.Text(gateway.Location(upstream))}\n");
                if (!gateway.IsTls) text.Append("insecure = true\n");
            }
        }
        // Pushes and lists by the gateway's own name.
        if (!gateway.IsTls) text.Append($"\n[[registry]]\nlocation = {Toml.Text(gateway.Host)}\ninsecure = true\n");
        var registries = new ClientFile(Registries, text.ToString());
        return enforce ? [registries, new("/etc/containers/policy.json", Policy(gateway), IsPart: true)] : [registries];
    }

    /// <summary>
    /// Rejects images of every registry that the other file does not name. Without this, such a registry would be asked directly.
    /// </summary>
    private static string Policy(ClientView gateway)
    {
        var names = gateway.Upstreams.SelectMany(upstream => upstream.Namespaces).Append(gateway.Host).Distinct();
        var docker = string.Join(",\n", names.Select(name => $"      \"{name}\": {Accept}"));
        var local = string.Join(",\n", LocalTransports.Select(transport => $$"""    "{{transport}}": { "": {{Accept}} }"""));
        return $$"""
            {
              "default": [{ "type": "reject" }],
              "transports": {
                "docker": {
            {{docker}}
                },
            {{local}}
              }
            }

            """;
    }

    private static IEnumerable<string> Notes(ClientView gateway, bool enforce, string client)
    {
        if (gateway.Authority is { } file)
            yield return $"Install the authority on each machine: install -D -m 644 {file} /etc/containers/certs.d/{gateway.Host}/ca.crt";
        if (!enforce)
        {
            yield return ContainerdFiles.FailsOpen(client);
            yield break;
        }
        yield return "policy.json rejects the images of all other registries; if you have rules of your own there, such as signedBy, add "
            + "them to its entries.";
        yield return $"Push and list by the gateway's own name, {gateway.Host}: mirrors are for pulls.";
    }
}
