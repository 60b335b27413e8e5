using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>The error codes of the distribution-spec ("Error Codes"). The names are sent to clients as they are.</summary>
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

    /// <summary>"Not now". It is not in the spec; crane, cosign and other clients of the same library retry on this code.</summary>
    UNAVAILABLE,
}

/// <summary>Why a request is invalid, where the error code alone does not say it.</summary>
internal enum InvalidCause
{
    /// <summary>The error code says it.</summary>
    AsCode,

    /// <summary>The repository, or its upstream, does not support the operation.</summary>
    NotSupportedHere,

    /// <summary>A document or blob is larger than the gateway or the upstream accepts.</summary>
    TooLarge,

    /// <summary>The media type of the document is missing or not accepted.</summary>
    MediaType,
}

/// <summary>One recorded verdict. The client is shown its id, so that a person can ask for the reasons later.</summary>
/// <param name="Id">Short random name, <c>d-…</c>.</param>
/// <param name="Time">When the verdict was given.</param>
/// <param name="Repository">The canonical name of the repository.</param>
/// <param name="Reference">The tag or digest of the request.</param>
/// <param name="Actor">The account of the request, or <c>anonymous</c>.</param>
internal sealed record Decision(
    string Id, DateTimeOffset Time, Stage Stage, RepositoryName Repository, string Reference, Digest Digest, string Actor, Verdict Verdict)
{
    /// <summary>The line that a client shows: printable ASCII, at most <see cref="Printable.MaxMessage"/> characters.</summary>
    public required string Message { get; init; }

    /// <summary>The revision of the policy's trust (<see cref="PolicyEngine.TrustRevision"/>).</summary>
    public ulong TrustRevision { get; init; }
}

/// <summary>Whether the manifest of an answer is what its tag is bound to, or a held push.</summary>
internal enum TagStanding
{
    /// <summary>The tag is bound to it.</summary>
    Live,

    /// <summary>It is a held push.</summary>
    Pending,
}

/// <summary>What the gate answers to a caller. GET and HEAD are one call.</summary>
/// <param name="Handling">How the answer was obtained.</param>
internal abstract record Answer<T>(CacheHandling Handling)
{
    /// <summary>Whether a caller with an account that may push here would get another answer.</summary>
    public bool SparesPushers { get; init; }

    public sealed record Found(T Value, CacheHandling Handling) : Answer<T>(Handling)
    {
        /// <summary>The decision of a verdict that warns, or that does not apply to this caller; null for none.</summary>
        public Decision? Warning { get; init; }

        /// <summary>How the tag of the request stands; null where no tag was named, and without a policy.</summary>
        public TagStanding? Standing { get; init; }

        /// <summary>The digest that the upstream has for the tag, when the policy refuses that one; empty otherwise.</summary>
        public Digest Substituted { get; init; }
    }

    /// <summary>The repository does not have it.</summary>
    public sealed record Absent(CacheHandling Handling) : Answer<T>(Handling);

    /// <summary>The repository has it, and the policy hides it from this caller.</summary>
    public sealed record Hidden(Decision Decision, CacheHandling Handling) : Answer<T>(Handling);

    /// <summary>The policy refuses the request. Nothing is stored.</summary>
    public sealed record Refused(Decision Decision, CacheHandling Handling) : Answer<T>(Handling);

    /// <summary>The request is invalid.</summary>
    /// <param name="Message">One line for the client.</param>
    /// <param name="Detail">The <c>detail</c> of the error; null for none.</param>
    /// <param name="Cause">Why, where the code does not say it.</param>
    public sealed record Invalid(RegistryErrorCode Code, string Message, string? Detail = null, InvalidCause Cause = InvalidCause.AsCode)
        : Answer<T>(CacheHandling.Local);

    /// <summary>
    /// Nothing was changed, because the caller's authorization ended first: the account was removed or changed, or another configuration is
    /// in force. Authorize the request again, and repeat it.
    /// </summary>
    public sealed record Superseded() : Answer<T>(CacheHandling.Local);

    /// <summary>The gate cannot answer now.</summary>
    /// <param name="RetryAfter">When to try again; null when that is not known.</param>
    /// <param name="Why">One line for the client.</param>
    /// <param name="Handling">How the answer was obtained.</param>
    public sealed record Unavailable(TimeSpan? RetryAfter, string Why, CacheHandling Handling) : Answer<T>(Handling)
    {
        /// <summary>See <see cref="Result{T}.Unavailable.IsDamaged"/>.</summary>
        public bool IsDamaged { get; init; }
    }
}

/// <summary>Turns results of a backing, and other answers, into answers.</summary>
internal static class Answers
{
    /// <summary>The answer that a result means when the caller may see everything.</summary>
    public static Answer<T> ToAnswer<T>(this Result<T> result) => result is Result<T>.Found found
        ? new Answer<T>.Found(found.Value, found.Handling)
        : result.WithoutValue<T, T>();

    /// <summary>The answer to a request for a <typeparamref name="TOther"/>, when what it depends on was not found.</summary>
    public static Answer<TOther> WithoutValue<T, TOther>(this Result<T> result) => result is Result<T>.Unavailable no
        ? new Answer<TOther>.Unavailable(no.RetryAfter, no.Why, no.Handling) { IsDamaged = no.IsDamaged }
        : new Answer<TOther>.Absent(result.Handling);

    /// <summary>The same refusal, of a request for a <typeparamref name="TOther"/>.</summary>
    public static Answer<TOther> WithoutValue<T, TOther>(this Answer<T> answer) => answer switch
    {
        Answer<T>.Hidden hidden => new Answer<TOther>.Hidden(hidden.Decision, hidden.Handling),
        Answer<T>.Refused refused => new Answer<TOther>.Refused(refused.Decision, refused.Handling),
        Answer<T>.Unavailable no => new Answer<TOther>.Unavailable(no.RetryAfter, no.Why, no.Handling),
        _ => new Answer<TOther>.Absent(answer.Handling),
    };

    /// <summary>
    /// The answer to a change that was not forwarded. It uses the spec's codes whatever the upstream sent: clients know these, and an
    /// upstream's challenge would make clients send the upstream's credentials to the gateway.
    /// </summary>
    public static Answer<T> NotForwarded<T>(NotForwardedException e)
    {
        var why = Printable.Line(e.Message, PolicyEngine.MaxMessage);
        return e.Refusal switch
        {
            null => new Answer<T>.Unavailable(e.RetryAfter, why, CacheHandling.Local),
            ForwardRefusal.BlobUnknown => new Answer<T>.Invalid(RegistryErrorCode.MANIFEST_BLOB_UNKNOWN, why),
            ForwardRefusal.ManifestInvalid => new Answer<T>.Invalid(RegistryErrorCode.MANIFEST_INVALID, why),
            ForwardRefusal.NotFound => new Answer<T>.Invalid(RegistryErrorCode.NAME_UNKNOWN, why),
            ForwardRefusal.Unsupported =>
                new Answer<T>.Invalid(RegistryErrorCode.UNSUPPORTED, why, Cause: InvalidCause.NotSupportedHere),
            ForwardRefusal.TooLarge => new Answer<T>.Invalid(RegistryErrorCode.SIZE_INVALID, why, Cause: InvalidCause.TooLarge),
            _ => new Answer<T>.Invalid(RegistryErrorCode.DENIED, why),
        };
    }
}
