using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>The error codes of the distribution-spec ("Error Codes"); <see cref="RegistryErrorCode"/>'s names are the wire's.</summary>
internal enum RegistryErrorCode
{
    BLOB_UNKNOWN,
    BLOB_UPLOAD_INVALID,
    BLOB_UPLOAD_UNKNOWN,
    DIGEST_INVALID,
    MANIFEST_BLOB_UNKNOWN,
    MANIFEST_INVALID,
    MANIFEST_UNKNOWN,
    NAME_INVALID,
    NAME_UNKNOWN,
    SIZE_INVALID,
    TAG_INVALID,
    UNAUTHORIZED,
    DENIED,
    UNSUPPORTED,
    TOOMANYREQUESTS,

    /// <summary>Not the spec's: "not now". crane, cosign and others of their library try again on this code.</summary>
    UNAVAILABLE,
}

/// <summary>What the gate decided about one request, kept so that a person can ask why.</summary>
/// <param name="Id">Short random name, <c>d-…</c>.</param>
/// <param name="Actor">Who asked.</param>
internal sealed record Decision(
    string Id, DateTimeOffset Time, Stage Stage, RepositoryName Repository, string Reference, Digest Digest, string Actor, Verdict Verdict)
{
    /// <summary>The one line that a client shows: printable ASCII, at most 400 characters (docs/policy.md).</summary>
    public required string Message { get; init; }

    /// <summary>The revision of the policy's trust (<see cref="PolicyEngine.TrustRevision"/>).</summary>
    public ulong TrustRevision { get; init; }
}

/// <summary>How a tag stands: bound to the answer's manifest, or waiting to be.</summary>
internal enum TagStanding
{
    Live,
    Pending,
}

/// <summary>What a repository answers to one who asks. GET and HEAD are one call.</summary>
internal abstract record Answer<T>(CacheHandling Handling)
{
    /// <summary>A refusal that one who is known and may push here would not get.</summary>
    public bool SparesPushers { get; init; }

    public sealed record Found(T Value, CacheHandling Handling) : Answer<T>(Handling)
    {
        /// <summary>A verdict that admits with a warning, or that the caller sees past.</summary>
        public Decision? Warning { get; init; }

        /// <summary>How the tag stands that was asked for or pushed; null where there is nothing to say.</summary>
        public TagStanding? Standing { get; init; }

        /// <summary>What the upstream has in place of this, and the policy refuses; empty when this is it.</summary>
        public Digest Substituted { get; init; }
    }

    /// <summary>Not there: 404 with the noun's code.</summary>
    public sealed record Absent(CacheHandling Handling) : Answer<T>(Handling);

    /// <summary>There, but not for this caller: told as 403 <c>DENIED</c>.</summary>
    public sealed record Hidden(Decision Decision, CacheHandling Handling) : Answer<T>(Handling);

    /// <summary>Refused by policy: 403 <c>DENIED</c>; nothing is kept.</summary>
    public sealed record Refused(Decision Decision, CacheHandling Handling) : Answer<T>(Handling);

    /// <summary>
    /// The request is wrong: the code's status, this message, this detail. <paramref name="Status"/> overrides the code's usual status.
    /// </summary>
    public sealed record Invalid(RegistryErrorCode Code, string Message, string? Detail = null, int? Status = null)
        : Answer<T>(CacheHandling.Local);

    /// <summary>
    /// Nothing was done, for the caller's standing ended first: the account is gone, or another configuration is in force. Ask again under
    /// that.
    /// </summary>
    public sealed record Superseded() : Answer<T>(CacheHandling.Local);

    /// <summary>Not to be known now: 503 with Retry-After.</summary>
    public sealed record Unavailable(TimeSpan? RetryAfter, string Why, CacheHandling Handling) : Answer<T>(Handling)
    {
        /// <summary>See <see cref="Result{T}.Unavailable.IsDamaged"/>.</summary>
        public bool IsDamaged { get; init; }
    }
}
