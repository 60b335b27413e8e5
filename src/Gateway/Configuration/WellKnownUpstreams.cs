using System.Collections.Immutable;
using Gateway.Upstream;

namespace Gateway.Configuration;

/// <summary>
/// Registries that bring what is known about them, so that naming one is enough: Docker Hub's names, the token servers that lie on another
/// host than the registry (docker.io, registry.gitlab.com). The content networks that they redirect to need no naming: public addresses may
/// serve blobs anyway, and only an operator may say that a private one may.
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
    /// What holds for an upstream of this key before its section is read; without endpoints if the key is not a well-known one.
    /// </summary>
    public static UpstreamOptions Defaults(string key) =>
        All.GetValueOrDefault(key) ?? new UpstreamOptions { Key = key, Urls = [], Namespaces = [key] };

    private static UpstreamOptions Registry(string key, string url) => new() { Key = key, Urls = [new(url)], Namespaces = [key] };
}
