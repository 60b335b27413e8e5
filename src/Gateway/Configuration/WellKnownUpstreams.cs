using System.Collections.Immutable;

namespace Gateway.Configuration;

/// <summary>
/// Registries that bring what is known about them, so that naming one is enough: Docker Hub's names, the token servers that lie on another
/// host than the registry (docker.io, registry.gitlab.com), and the content networks that they redirect blobs to.
/// </summary>
internal static class WellKnownUpstreams
{
    private static readonly ImmutableSortedDictionary<string, UpstreamOptions> All = new[]
    {
        Registry("docker.io", "https://registry-1.docker.io", "*.cloudfront.net", "*.cloudflarestorage.com", "*.cloudflare.docker.com") with
        {
            Namespaces = ["docker.io", "index.docker.io", "registry-1.docker.io"],
            Library = true,
            Realms = [new("https://auth.docker.io")],
        },
        Registry("ghcr.io", "https://ghcr.io", "*.githubusercontent.com"),
        Registry("quay.io", "https://quay.io", "*.quay.io", "*.amazonaws.com"),
        Registry("registry.k8s.io", "https://registry.k8s.io", "*.pkg.dev", "*.amazonaws.com", "storage.googleapis.com"),
        Registry("gcr.io", "https://gcr.io", "storage.googleapis.com"),
        Registry("mcr.microsoft.com", "https://mcr.microsoft.com", "*.data.mcr.microsoft.com", "*.blob.core.windows.net"),
        Registry("public.ecr.aws", "https://public.ecr.aws", "*.cloudfront.net"),
        Registry("registry.gitlab.com", "https://registry.gitlab.com", "storage.googleapis.com", "cdn.registry.gitlab-static.net") with
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

    private static UpstreamOptions Registry(string key, string url, params string[] redirects) =>
        new() { Key = key, Urls = [new(url)], Namespaces = [key], Redirects = [.. redirects] };
}
