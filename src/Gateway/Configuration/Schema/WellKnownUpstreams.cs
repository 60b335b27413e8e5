using System.Collections.Immutable;
using Gateway.Upstream;

namespace Gateway.Configuration;

/// <summary>
/// Upstreams with built-in settings, so that naming one is enough: Docker Hub's names, and token servers on another host than the registry
/// (docker.io, registry.gitlab.com). The content networks that they redirect to need no setting: public addresses may serve blobs, and only
/// the operator can allow a private address.
/// </summary>
internal static class WellKnownUpstreams
{
    private static readonly ImmutableSortedDictionary<string, UpstreamOptions> All = new[]
    {
        Registry("docker.io", "https://registry-1.docker.io") with
        {
            Namespaces = ["docker.io", "index.docker.io", "registry-1.docker.io"],
            Library = true,
            Realms = [new("https://auth.docker.io")],
        },
        Registry("ghcr.io", "https://ghcr.io"),
        Registry("quay.io", "https://quay.io"),
        Registry("registry.k8s.io", "https://registry.k8s.io"),
        Registry("gcr.io", "https://gcr.io"),
        Registry("mcr.microsoft.com", "https://mcr.microsoft.com"),
        Registry("public.ecr.aws", "https://public.ecr.aws"),
        Registry("registry.gitlab.com", "https://registry.gitlab.com") with
        {
            Realms = [new("https://gitlab.com")],
        },
    }.ToImmutableSortedDictionary(upstream => upstream.Key, upstream => upstream, StringComparer.Ordinal);

    public static IEnumerable<string> Keys => All.Keys;

    /// <summary>
    /// The settings of an upstream with this key before its section is read; without endpoints when the key is not well known.
    /// </summary>
    public static UpstreamOptions Defaults(string key) =>
        All.GetValueOrDefault(key) ?? new UpstreamOptions { Key = key, Urls = [], Namespaces = [key] };

    private static UpstreamOptions Registry(string key, string url) => new() { Key = key, Urls = [new(url)], Namespaces = [key] };
}
