namespace Gateway.Registry;

/// <summary>
/// A request target, read once: the same value serves routing, access, logs and metrics, so that no two of them can read it differently
/// (CVE-2020-29662, CVE-2026-27587).
/// </summary>
internal sealed record Target(Route Route)
{
    public static readonly Target Invalid = new(Route.Invalid);

    /// <summary>The repository in the path; empty for routes without one.</summary>
    public RepositoryName Repository { get; init; }

    /// <summary>The tag or digest in the path; for blobs and referrers always a digest.</summary>
    public Reference Reference { get; init; }

    /// <summary>The upload session's or decision's id; empty for other routes.</summary>
    public string Id { get; init; } = "";

    /// <summary>
    /// The offset in the upload session at which the client continues, from the <c>Location</c> that it uses; null if that has none.
    /// </summary>
    public long? Offset { get; init; }

    public TargetQuery Query { get; init; } = TargetQuery.Empty;

    public Digest Digest => Reference.Digest;

    /// <summary>The last part of the path, for logs; empty for routes without one.</summary>
    public string ReferenceText => Route switch
    {
        Route.Manifest or Route.Blob or Route.Referrers => Reference.ToString(),
        Route.Upload or Route.Decision => Id,
        _ => "",
    };

    /// <summary>The canonical path, without the query.</summary>
    public string Path => Route switch
    {
        Route.Ping => "/v2/",
        Route.Catalog => "/v2/_catalog",
        Route.Token => "/token",
        Route.Decision => $"/-/decisions/{Id}",
        Route.Promote => "/-/promote",
        Route.Evaluate => "/-/policy/evaluate",
        Route.Home => "/",
        Route.Tags => $"/v2/{Repository}/tags/list",
        Route.Manifest => $"/v2/{Repository}/manifests/{Reference}",
        Route.Blob => $"/v2/{Repository}/blobs/{Reference}",
        Route.Uploads => $"/v2/{Repository}/blobs/uploads/",
        Route.Upload => $"/v2/{Repository}/blobs/uploads/{Id}{(Offset is { } offset ? $"-{offset}" : "")}",
        Route.Referrers => $"/v2/{Repository}/referrers/{Reference}",
        _ => "",
    };
}
