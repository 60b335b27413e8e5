namespace Gateway.Commands.Clients;

/// <summary>Files of dockerd, for both of its image stores, and of BuildKit.</summary>
internal static class DockerFiles
{
    private const string Hosts = "/etc/docker/certs.d";

    // A port at which nothing listens: RFC 863's "discard", which no system of today serves.
    private const string NoProxy = "http://127.0.0.1:9";

    public static ClientFiles Docker(ClientView gateway, bool enforce)
    {
        var settings = new List<string>();
        if (gateway.HubMirror is { } mirror) settings.Add($"\"registry-mirrors\": [\"{mirror}\"]");
        if (!gateway.IsTls && !gateway.IsLoopback) settings.Add($"\"insecure-registries\": [\"{gateway.Host}\"]");
        if (enforce)
        {
            // dockerd's own store has no setting without a fallback, so the fallback leads nowhere.
            settings.Add($"\"proxies\": {{\n    \"http-proxy\": \"{NoProxy}\",\n    \"https-proxy\": \"{NoProxy}\",\n"
                + $"    \"no-proxy\": \"{gateway.Address.Host}\"\n  }}");
        }
        var daemon = settings.Count == 0
            ? Array.Empty<ClientFile>()
            : [new("/etc/docker/daemon.json", $"{{\n  {string.Join(",\n  ", settings)}\n}}\n", IsPart: true)];
        return new(
            [.. daemon, .. HostsToml.Below(Hosts, gateway, enforce, withOwn: enforce)],
            [
                $"Restart dockerd after a change of daemon.json. The files below {Hosts} are for containerd's image store (docker "
                + "info shows driver-type: io.containerd.snapshotter.v1) and are read at every pull.",
                .. Hub(gateway),
                .. enforce ? Closed(gateway) : [ContainerdFiles.FailsOpen("dockerd")],
                .. gateway.Authority is { } file
                    ? [$"Install the authority: install -D -m 644 {file} {Hosts}/{gateway.Host}/ca.crt"]
                    : (string[])[],
                .. ContainerdFiles.Account(gateway, "dockerd sends none to a mirror, so configure a listener with access: pull-only"),
            ]);
    }

    public static ClientFiles BuildKit(ClientView gateway, bool enforce)
    {
        // No prefix: BuildKit pulls with containerd's library, which names the registry with ?ns=.
        var mirrors = string.Concat(gateway.Upstreams.SelectMany(upstream => upstream.Namespaces.Select(name =>
            $"[registry.{Toml.Text(name)}]\n  mirrors = [{Toml.Text(gateway.Host)}]\n\n")));
        var own = !gateway.IsTls ? $"[registry.{Toml.Text(gateway.Host)}]\n  http = true\n"
            : gateway.Authority is { } file ? $"[registry.{Toml.Text(gateway.Host)}]\n  ca = [{Toml.Text(file)}]\n"
            : "";
        var buildkitd = new ClientFile("/etc/buildkit/buildkitd.toml", (mirrors + own).TrimEnd() + "\n", IsPart: true);
        return new(
            enforce
                ? [buildkitd, new("/etc/systemd/system/buildkit.service.d/gateway.conf", $"""
                    [Service]
                    Environment=HTTP_PROXY={NoProxy} HTTPS_PROXY={NoProxy} NO_PROXY={gateway.Address.Host}

                    """)]
                : [buildkitd],
            [
                "These files are for a builder of its own (docker buildx create --buildkitd-config, or buildkitd as a service). The "
                + "builder inside dockerd pulls as dockerd does: gateway client-config docker.",
                .. enforce
                    ? ["buildkitd has no setting that closes its mirrors, so its environment names a proxy at which nothing listens; only "
                        + "the gateway is reached without it. ADD of URLs and of Git repositories fails, too. In a container or pod set "
                        + "the same variables."]
                    : (string[])[ContainerdFiles.FailsOpen("buildkitd")],
                .. ContainerdFiles.Account(gateway, $"run docker login {gateway.Host} where the client (docker buildx, buildctl) runs"),
            ]);
    }

    private static IEnumerable<string> Hub(ClientView gateway)
    {
        if (!gateway.HasHub || gateway.HubMirror is not null) yield break;
        yield return "dockerd's own image store cannot use this gateway as a mirror of Docker Hub, because it sends no prefix: add a route "
            + "{ prefix: \"\", upstream: docker.io } or one with hosts (docs/clients/docker.md).";
    }

    private static IEnumerable<string> Closed(ClientView gateway)
    {
        yield return $"proxies applies to every request of dockerd: it names a proxy at which nothing listens, so that only {gateway.Host} "
            + "is reached. If dockerd needs another host, such as that of a log driver, add the host to no-proxy.";
        yield return "dockerd's own image store pulls images of other registries than Docker Hub only by the gateway's name: "
            + $"{gateway.Host}/…";
    }
}
