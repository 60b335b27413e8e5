namespace Gateway.Commands.Doctor;

/// <summary>hosts.toml files of containerd and of dockerd with containerd's store, and containerd's own configuration.</summary>
internal static class ContainerdFileChecks
{
    private const string Default = "_default";

    public static void Run(Visit visit, List<Finding> found)
    {
        foreach (var (folder, client) in new[] { ("/etc/containerd/certs.d", "containerd"), ("/etc/docker/certs.d", "docker") })
        {
            var hosts = Hosts(visit, folder);
            if (!hosts.Any(each => Mentions(visit, each.Text))) continue;
            foreach (var (name, text) in hosts) Check(visit, found, $"{folder}/{name}", name, text, client);
        }
        const string Config = "/etc/containerd/config.toml";
        if (Hosts(visit, "/etc/containerd/certs.d").Length > 0 && ClientFileChecks.Text(visit, Config) is { } config
            && !config.Contains("config_path", StringComparison.Ordinal))
        {
            found.Add(new(
                visit.Bypass, "BYPASS", Config, "containerd's CRI plug-in does not read /etc/containerd/certs.d: config_path is missing",
                "merge the file that gateway client-config containerd prints, and restart containerd"));
        }
    }

    private static void Check(Visit visit, List<Finding> found, string path, string name, string? text, string client)
    {
        var file = $"{path}/hosts.toml";
        var tables = TomlLines.Read(text ?? "");
        foreach (var table in tables)
        {
            var address = table.Name.Length == 0 ? table["server"] : table.Name.StartsWith("host.", StringComparison.Ordinal)
                ? table.Name["host.".Length..].Trim('"', '\'')
                : null;
            if (address is null || !Mentions(visit, address)) continue;
            if (ClientFileChecks.EndsWithV2(address) && table["override_path"] != "true")
                found.Add(ClientFileChecks.Double(file, address, "the address"));
            if (table["skip_verify"] == "true")
            {
                found.Add(Finding.Warning(
                    "TLS_UNCHECKED", file, "skip_verify = true: anyone on the network can pretend to be the gateway",
                    "write ca = \"…\" with the authority's certificate instead"));
            }
        }
        var isOwn = name == visit.View.Host || name == visit.View.Host.Replace(':', '_') + "_";
        if (isOwn) return;
        if (!Mentions(visit, text))
        {
            // A folder of its own takes precedence over _default, even without a hosts.toml.
            found.Add(new(
                visit.Bypass, "BYPASS", path, $"{client} prefers this folder to {Default}, and it does not name the gateway",
                $"remove the folder, or write the gateway's hosts.toml into it (gateway client-config {client} --enforce)"));
            return;
        }
        var top = tables[0];
        if (top["server"] is not { } server || !Mentions(visit, server))
        {
            found.Add(ClientFileChecks.FailsOpen(visit, client, file, name == Default ? "each registry" : name));
        }
        else if (name == Default && !top.Values.ContainsKey("capabilities"))
        {
            found.Add(Finding.Warning(
                "PUSH_MISPLACED", file, "without capabilities a push of another registry's image lands in the gateway, where no pull "
                    + "finds it",
                "add capabilities = [\"pull\", \"resolve\"]"));
        }
    }

    private static bool Mentions(Visit visit, string? text) => text?.Contains($"//{visit.View.Host}", StringComparison.Ordinal) == true;

    /// <summary>The folders for registries, and their hosts.toml; null for a folder without one.</summary>
    private static (string Name, string? Text)[] Hosts(Visit visit, string folder)
    {
        var at = visit.Files.TrimEnd('/') + folder;
        return Directory.Exists(at)
            ? [.. Directory.EnumerateDirectories(at).Select(Path.GetFileName).Order(StringComparer.Ordinal)
                .Select(name => (name!, ClientFileChecks.Text(visit, $"{folder}/{name}/hosts.toml")))]
            : [];
    }
}
