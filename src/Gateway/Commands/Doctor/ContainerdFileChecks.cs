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
            foreach (var (name, text) in hosts) Check(visit, found, new(client, name, $"{folder}/{name}", text));
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

    /// <summary>The folder of one registry.</summary>
    /// <param name="Client">The client that reads it, as <c>gateway client-config</c> calls it.</param>
    /// <param name="Name">The registry's host, or <c>_default</c>.</param>
    /// <param name="Text">Its hosts.toml; null for none.</param>
    private sealed record HostFolder(string Client, string Name, string Path, string? Text)
    {
        public string File => $"{Path}/hosts.toml";
    }

    private static void Check(Visit visit, List<Finding> found, HostFolder folder)
    {
        var tables = TomlLines.Read(folder.Text ?? "");
        foreach (var table in tables) found.AddRange(Wrong(visit, folder.File, table));
        var isOwn = folder.Name == visit.View.Host || folder.Name == visit.View.Host.Replace(':', '_') + "_";
        if (isOwn) return;
        if (BypassOf(visit, folder, tables[0]) is { } bypass)
        {
            found.Add(bypass);
        }
        else if (!tables.Any(static table => table.Name == "host" || table.Name.StartsWith("host.", StringComparison.Ordinal)))
        {
            found.Add(Finding.Warning(
                "FAILS_OPEN", folder.File,
                "containerd 1.6 and early versions of 1.7 cannot read a file without a [host] table, and ask the registry itself",
                "add the line [host] at the end of the file"));
        }
    }

    // What is wrong with the address of the gateway in one table.
    private static IEnumerable<Finding> Wrong(Visit visit, string file, TomlTable table)
    {
        var address = table.Name.Length == 0 ? table["server"] : table.Name.StartsWith("host.", StringComparison.Ordinal)
            ? table.Name["host.".Length..].Trim('"', '\'')
            : null;
        if (address is null || !Mentions(visit, address)) yield break;
        if (ClientFileChecks.EndsWithV2(address) && table["override_path"] != "true")
            yield return ClientFileChecks.Double(file, address, "the address");
        if (table["skip_verify"] == "true")
            yield return Finding.Warning(
                "TLS_UNCHECKED", file, "skip_verify = true: anyone on the network can pretend to be the gateway",
                "write ca = \"…\" with the authority's certificate instead");
    }

    // How the client gets past the gateway, or to it where it should not; null for neither.
    private static Finding? BypassOf(Visit visit, HostFolder folder, TomlTable top)
    {
        // A folder of its own takes precedence over _default, even without a hosts.toml.
        if (!Mentions(visit, folder.Text))
            return new(
                visit.Bypass, "BYPASS", folder.Path,
                $"{folder.Client} prefers this folder to {Default}, and it does not name the gateway",
                $"remove the folder, or write the gateway's hosts.toml into it (gateway client-config {folder.Client} --enforce)");
        if (top["server"] is not { } server || !Mentions(visit, server))
            return ClientFileChecks.FailsOpen(
                visit, folder.Client, folder.File, folder.Name == Default ? "each registry" : folder.Name);
        return folder.Name != Default || top.Values.ContainsKey("capabilities") ? null : Finding.Warning(
            "PUSH_MISPLACED", folder.File, "without capabilities a push of another registry's image lands in the gateway, where no pull "
                + "finds it",
            "add capabilities = [\"pull\", \"resolve\"]");
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
