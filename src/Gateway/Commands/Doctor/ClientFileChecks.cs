using System.Text.Json;
using System.Text.RegularExpressions;
using Gateway.Commands.Clients;

namespace Gateway.Commands.Doctor;

/// <summary>
/// The files of clients on this machine: what in them lets a client bypass the gateway. Files that do not exist are not expected.
/// </summary>
internal static partial class ClientFileChecks
{
    public static IReadOnlyList<Finding> Run(Visit visit)
    {
        var found = new List<Finding>();
        ContainerdFileChecks.Run(visit, found);
        Podman(visit, found);
        Docker(visit, found);
        K3s(visit, found);
        return found;
    }

    /// <summary>The text of a client's file; null if it is absent or cannot be read.</summary>
    public static string? Text(Visit visit, string path)
    {
        try
        {
            return File.ReadAllText(visit.Files.TrimEnd('/') + path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public static Finding FailsOpen(Visit visit, string client, string path, string what) => new(
        visit.Bypass, "FAILS_OPEN", path,
        $"{client} asks {what} itself when the gateway is down or its policy refuses the image",
        $"write the form that fails closed: gateway client-config {client} --enforce");

    private static void Podman(Visit visit, List<Finding> found)
    {
        var files = new[] { "/etc/containers/registries.conf" }.Concat(Names(visit, "/etc/containers/registries.conf.d", "*.conf"))
            .Select(path => (Path: path, Text: Text(visit, path))).Where(file => file.Text is not null).ToArray();
        // A machine without any mention of the gateway does not use it by these files.
        if (!files.Any(file => file.Text!.Contains(visit.View.Host, StringComparison.Ordinal))) return;
        var named = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (path, text) in files)
        {
            TomlTable? registry = null;
            foreach (var table in TomlLines.Read(text!))
            {
                if (table.Name == "registry")
                {
                    registry = table;
                    named.Add(table["prefix"] ?? table["location"] ?? "");
                }
                if (table.Name == "registry.mirror" && table["location"]?.StartsWith(visit.View.Host, StringComparison.Ordinal) == true)
                    Mirror(visit, found, path, registry!, table);
            }
        }
        foreach (var name in visit.View.Upstreams.SelectMany(upstream => upstream.Namespaces).Where(name => !named.Contains(name)))
        {
            found.Add(new(
                visit.Bypass, "BYPASS", "/etc/containers/registries.conf.d", $"podman and CRI-O ask {name} itself: no entry names it",
                "write the files anew: gateway client-config podman --enforce"));
        }
    }

    private static void Mirror(Visit visit, List<Finding> found, string path, TomlTable registry, TomlTable mirror)
    {
        var name = registry["prefix"] ?? registry["location"] ?? "";
        if (mirror["pull-from-mirror"] is { } only and not "all")
        {
            found.Add(new(
                visit.Bypass, "BYPASS", path, $"pull-from-mirror = \"{only}\": other pulls of {name} go to {name} itself",
                "remove pull-from-mirror"));
        }
        if (registry["blocked"] != "true" && registry["location"]?.StartsWith(visit.View.Host, StringComparison.Ordinal) != true)
            found.Add(FailsOpen(visit, "podman", path, name));
    }

    private static void Docker(Visit visit, List<Finding> found)
    {
        const string Daemon = "/etc/docker/daemon.json";
        if (Text(visit, Daemon) is not { } text) return;
        try
        {
            using var document = JsonDocument.Parse(text);
            var root = document.RootElement;
            if (!root.TryGetProperty("registry-mirrors", out var mirrors)) return;
            var ours = mirrors.EnumerateArray().Select(mirror => mirror.GetString() ?? "")
                .Where(mirror => mirror.Contains($"//{visit.View.Host}", StringComparison.Ordinal)).ToArray();
            if (ours.Length == 0) return;
            if (ours.FirstOrDefault(mirror => EndsWithV2(mirror)) is { } twice) found.Add(Double(Daemon, twice, "registry-mirrors"));
            if (!root.TryGetProperty("proxies", out _)) found.Add(FailsOpen(visit, "docker", Daemon, "Docker Hub"));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            found.Add(Finding.Error("CLIENT_FILE", Daemon, $"expected JSON, got: {e.Message}", "correct the file"));
        }
    }

    private static void K3s(Visit visit, List<Finding> found)
    {
        foreach (var folder in (string[])["/etc/rancher/k3s", "/etc/rancher/rke2"])
        {
            var text = Text(visit, $"{folder}/registries.yaml");
            if (text is null || !text.Contains(visit.View.Host, StringComparison.Ordinal)) continue;
            if (!Disabled().IsMatch(Text(visit, $"{folder}/config.yaml") ?? ""))
                found.Add(FailsOpen(visit, "k3s", $"{folder}/registries.yaml", "each registry"));
        }
    }

    public static bool EndsWithV2(string address) => address.TrimEnd('/').EndsWith("/v2", StringComparison.Ordinal);

    public static Finding Double(string path, string address, string where) => Finding.Error(
        "DOUBLE_V2", path, $"the client adds /v2 to {address} once more, and the gateway answers 404", $"remove /v2 from {where}");

    /// <summary>Paths of files in a client's folder; empty if it is absent.</summary>
    private static IEnumerable<string> Names(Visit visit, string folder, string pattern)
    {
        var at = visit.Files.TrimEnd('/') + folder;
        if (!Directory.Exists(at)) return [];
        return Directory.EnumerateFiles(at, pattern).Select(file => $"{folder}/{Path.GetFileName(file)}").Order();
    }

    [GeneratedRegex(@"^\s*disable-default-registry-endpoint\s*:\s*true\s*$", RegexOptions.Multiline)]
    private static partial Regex Disabled();
}
