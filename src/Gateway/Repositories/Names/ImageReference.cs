namespace Gateway.Repositories;

/// <summary>An image as workloads name it: <c>nginx</c>, <c>ghcr.io/org/app:1</c>, <c>registry:5000/app@sha256:…</c>.</summary>
/// <param name="Name">The whole name, as it was written.</param>
/// <param name="Registry">The registry's host; <c>docker.io</c> where none is written.</param>
/// <param name="Path">The repository at that registry.</param>
/// <param name="Reference">The digest if there is one, otherwise the tag, otherwise <c>latest</c>.</param>
internal sealed record ImageReference(string Name, string Registry, string Path, Reference Reference)
{
    /// <summary>The registry that every container tool uses for a name without a registry.</summary>
    private const string DockerHub = "docker.io";

    /// <summary>Parses a reference; null when the text is not one.</summary>
    public static ImageReference? Parse(string text)
    {
        var (name, reference) = (text, new Reference(TagName.Parse("latest")));
        if (name.IndexOf('@', StringComparison.Ordinal) is var at and >= 0)
        {
            if (!Digest.TryParse(name.AsSpan(at + 1), out var digest)) return null;
            (name, reference) = (name[..at], new(digest));
        }
        if (name.LastIndexOf(':') is var colon and >= 0 && colon > name.LastIndexOf('/'))
        {
            if (!TagName.TryParse(name.AsSpan(colon + 1), out var tag)) return null;
            if (!reference.IsDigest) reference = new(tag);
            name = name[..colon];
        }
        // A first component that could be a host is one (distribution's reference package, "familiar names").
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        var first = slash < 0 ? "" : name[..slash];
        var hasHost = first.AsSpan().IndexOfAny('.', ':') >= 0 || first == "localhost";
        var (registry, path) = hasHost ? (first, name[(slash + 1)..]) : (DockerHub, name);
        return RepositoryName.TryParse(path, out RepositoryName _) ? new(name, registry, path, reference) : null;
    }
}
