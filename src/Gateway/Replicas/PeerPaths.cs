using Gateway.Oci;

namespace Gateway.Replicas;

/// <summary>The requests between replicas. The version in each path rises when an older replica could not read the answer.</summary>
internal static class PeerPaths
{
    public const string ContentPrefix = "/peer/v1/content/";

    public const string PurgePath = "/peer/v1/purge";

    /// <summary>A notice that repositories of a shared bucket changed; a replica that does not know it answers 404 and polls.</summary>
    public const string ChangedPath = "/peer/v1/changed";

    /// <summary>Response header: bytes that can be sent now.</summary>
    public const string Position = "Gateway-Position";

    /// <summary>Response header: present if the replica has the whole content.</summary>
    public const string Whole = "Gateway-Whole";

    public static string Content(Digest digest) => $"{ContentPrefix}{digest}";
}
