namespace Gateway.Replicas;

/// <summary>The requests between replicas. The version in each path rises when an older replica could not read the answer.</summary>
internal static class PeerPaths
{
    public const string ContentPrefix = "/peer/v1/content/";

    public const string PurgePath = "/peer/v1/purge";

    /// <summary>A notice that repositories of a shared bucket changed; a replica that does not know it answers 404 and polls.</summary>
    public const string ChangedPath = "/peer/v1/changed";

    /// <summary>
    /// Which manifests name some content (<see cref="NamedManifests"/>), one digest a line. A replica that does not know the path answers
    /// 404, which means the same as no line.
    /// </summary>
    public const string NamingPrefix = "/peer/v1/naming/";

    /// <summary>Response header: bytes that can be sent now.</summary>
    public const string Position = "Gateway-Position";

    /// <summary>Response header: present if the replica has the whole content.</summary>
    public const string Whole = "Gateway-Whole";

    public static string Content(Digest digest) => $"{ContentPrefix}{digest}";

    /// <param name="upstream">An address of the upstream: its key may differ between replicas.</param>
    /// <param name="name">The upstream's own name of the repository.</param>
    public static string Naming(Digest content, Uri upstream, RepositoryName name) =>
        $"{NamingPrefix}{content}?upstream={Uri.EscapeDataString(upstream.AbsoluteUri)}&name={Uri.EscapeDataString(name.Value)}";
}
