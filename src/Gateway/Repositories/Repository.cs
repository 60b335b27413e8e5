using System.Collections.Immutable;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// One repository as its callers see it: the gate. The only thing that handlers can name; who sees what is decided here and nowhere else.
/// A file for each flow: pull, push, evidence, waiting tags, removal, blobs, lists, promotion.
/// </summary>
internal sealed partial class Repository(
    RepositoryName name, IBacking backing, Judge judge, IContentLookup contents, RecentBlobs recent, bool takesPushes, TimeProvider clock,
    bool takesPushesLater = false)
{
    private readonly BlobAdmission _admission = new(name, backing, judge, clock);

    /// <summary>The name that clients use.</summary>
    public RepositoryName Name { get; } = name;

    /// <summary>
    /// Whether the caller sees what waits. An open gateway knows nobody, so there nobody is exempt (docs/design/0004-gate.md).
    /// </summary>
    private bool IsKnownPusher(Caller caller) => takesPushes && caller.MayPush && caller.Actor != Caller.Anonymous;

    /// <summary>
    /// What a HEAD comes to that asks, before a push, what is there: where an upstream that cannot be asked does not keep pushes from being
    /// taken, "not now" would (containerd and others go on after 200 and 404 alone).
    /// </summary>
    public Answer<T> BeforePush<T>(Caller caller, Answer<T> answer) =>
        // What has gone bad here is pushed again only by a client that does not find it.
        answer is Answer<T>.Unavailable { IsDamaged: true } ? new Answer<T>.Absent(answer.Handling)
        : !takesPushesLater || answer is not Answer<T>.Unavailable { Why: var why } ? answer
        : !caller.MayPush ? answer with { SparesPushers = true }
        : new Answer<T>.Absent(answer.Handling with { Notice = Printable.Line(why, PolicyEngine.MaxMessage) });

    /// <summary>
    /// The rights are asked at the door already; here no handler can forget to (CVE-2026-41888: a switch that one verb did not ask).
    /// </summary>
    private Answer<T>? RefuseChange<T>(Caller caller, AccessActions needs)
    {
        if (!takesPushes) return NoPushes<T>();
        return caller.Rights.HasFlag(needs)
            ? null
            : new Answer<T>.Invalid(RegistryErrorCode.DENIED, $"{caller.Actor} may not {needs} in {Name}");
    }

    /// <summary>A change that somebody makes: it is not made where his standing has ended by then.</summary>
    private static Change By(Caller caller, Change change) =>
        caller.Standing is { } standing ? change with { IsStillAllowed = () => standing.Holds, Committed = standing.Committed } : change;

    /// <summary>
    /// What could not be looked at is not known to be refused: nobody is told that it is, nothing is remembered, and it is asked for again.
    /// </summary>
    private Answer<T>.Unavailable NotKnown<T>(Verdict verdict, Digest digest, CacheHandling handling)
    {
        var why = $"{Name}@{digest} could not be judged at {Moments.Text(clock.GetUtcNow())}: {verdict.Unknown}; try again";
        return new(RetryUnknown, Printable.Line(why, PolicyEngine.MaxMessage), handling);
    }

    /// <summary>When to ask again: an upstream that failed is not asked sooner (UpstreamAnswers).</summary>
    private static readonly TimeSpan RetryUnknown = TimeSpan.FromSeconds(5);

    private Answer<T> NoPushes<T>() => new Answer<T>.Invalid(
        RegistryErrorCode.UNSUPPORTED,
        $"{Name} is pulled through from an upstream and takes no pushes; push to a repository of built-in storage, or have the gateway's "
        + "operator write push: forward on its route", Status: 405);

    /// <summary>
    /// A write that the volume or an upstream cannot take now is a push to try again later; one that an upstream refuses is refused with
    /// its reason.
    /// </summary>
    private static async ValueTask<Answer<T>> WriteAsync<T>(Func<ValueTask<Answer<T>>> write)
    {
        try
        {
            return await write();
        }
        catch (StoreReadOnlyException e)
        {
            return new Answer<T>.Unavailable(TimeSpan.FromSeconds(RetrySeconds), e.Message, CacheHandling.Local);
        }
        catch (NotForwardedException e)
        {
            return NotForwarded<T>(e);
        }
    }

    /// <summary>
    /// In the spec's words, whatever the upstream's were: clients know these, and an upstream's challenge would make them log in to us
    /// with what is meant for it.
    /// </summary>
    private static Answer<T> NotForwarded<T>(NotForwardedException e)
    {
        var why = Printable.Line(e.Message, PolicyEngine.MaxMessage);
        return e.Refusal switch
        {
            null => new Answer<T>.Unavailable(e.RetryAfter, why, CacheHandling.Local),
            ForwardRefusal.BlobUnknown => new Answer<T>.Invalid(RegistryErrorCode.MANIFEST_BLOB_UNKNOWN, why),
            ForwardRefusal.ManifestInvalid => new Answer<T>.Invalid(RegistryErrorCode.MANIFEST_INVALID, why),
            ForwardRefusal.NotFound => new Answer<T>.Invalid(RegistryErrorCode.NAME_UNKNOWN, why),
            ForwardRefusal.Unsupported => new Answer<T>.Invalid(RegistryErrorCode.UNSUPPORTED, why, Status: 405),
            ForwardRefusal.TooLarge => new Answer<T>.Invalid(RegistryErrorCode.SIZE_INVALID, why, Status: 413),
            _ => new Answer<T>.Invalid(RegistryErrorCode.DENIED, why),
        };
    }

    /// <summary>
    /// When a push that found the volume full is worth another try: clients give up after a few, and an operator needs longer than that
    /// anyway.
    /// </summary>
    private const int RetrySeconds = 10;
}
