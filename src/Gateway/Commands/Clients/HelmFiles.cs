using System.Text;

namespace Gateway.Commands.Clients;

/// <summary>Helm has no mirrors: it asks the host that a reference names, so the reference must name the gateway.</summary>
internal static class HelmFiles
{
    public static ClientFiles Helm(ClientView gateway)
    {
        var charts = new StringBuilder("# dependencies of a chart, and the same address for helm pull, install and push\ndependencies:\n");
        foreach (var upstream in gateway.Upstreams)
        {
            var name = upstream.Namespaces.Count > 0 ? upstream.Namespaces[0] : upstream.Key;
            charts.Append($"  # instead of oci://{name}/…\n");
            charts.Append($"  - {{ name: CHART, version: VERSION, repository: \"oci://{gateway.Location(upstream)}/PATH\" }}\n");
        }
        var options = !gateway.IsTls ? " --plain-http" : gateway.Authority is { } file ? $" --ca-file {file}" : "";
        return new(
            gateway.Upstreams.Count == 0 ? [] : [new("Chart.yaml", charts.ToString(), IsPart: true)],
            [
                "Replace CHART, VERSION and PATH. Helm asks no host but the one that is written, so --enforce changes nothing.",
                $"Pull with: helm pull{options} oci://{gateway.Host}/…",
                .. ContainerdFiles.Account(gateway, $"run helm registry login{options} {gateway.Host}"),
            ]);
    }
}
