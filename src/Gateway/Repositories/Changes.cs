using Gateway.Access;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>How the gate commits changes, the caller that they are for, and the answer when a commit fails.</summary>
internal static class Changes
{
    /// <summary>
    /// How often the gate evaluates a request again because evidence or held pushes changed before its commit. Chosen: each time another
    /// request succeeded.
    /// </summary>
    public const int MaxAttempts = 16;

    /// <summary>When to try again after the volume refused a write. Chosen: clients give up after a few tries.</summary>
    public static readonly TimeSpan RetryWrite = TimeSpan.FromSeconds(10);

    /// <summary>When to try again after other requests changed the same tag or evidence.</summary>
    public static readonly TimeSpan RetryBusy = TimeSpan.FromSeconds(1);

    /// <summary>The change, on behalf of a caller: it is not committed when the caller's authorization has ended by then.</summary>
    public static Change By(this Change change, Caller caller) => caller.Authorization is { } authorization
        ? change with { IsStillAllowed = () => authorization.IsValid, Committed = authorization.Committed }
        : change;

    /// <summary>Operations that remove the noted verdicts of these manifests: the next pull evaluates them again.</summary>
    public static IEnumerable<Operation> ForgetVerdicts(IEnumerable<Digest> manifests) =>
        manifests.Select(static digest => new Operation.SetVerdict(digest, default));

    /// <summary>The change that ends an expired held push.</summary>
    public static Change Expire(HeldPush held, Digest live) =>
        new([new Operation.EndHold(held.Tag)]) { Expectations = [new(held.Tag, live) { HeldSequence = held.Sequence }] };

    /// <summary>Commits a change that the next request can make as well. False when it was not committed.</summary>
    public static async ValueTask<bool> TryCommitAsync(this IBacking backing, Change change, CancellationToken cancellationToken)
    {
        try
        {
            return await backing.CommitAsync(change, cancellationToken) is CommitResult.Committed;
        }
        catch (StoreReadOnlyException)
        {
            return false;
        }
    }

    /// <summary>Commits a note that only saves work later. A volume that refuses writes is no failure here.</summary>
    public static async ValueTask NoteAsync(this IBacking backing, Change change, CancellationToken cancellationToken)
    {
        try
        {
            await backing.CommitAsync(change, cancellationToken);
        }
        catch (IOException)
        {
            // The volume accepts no writes now. The next request does the same work again.
        }
    }

    /// <summary>
    /// Runs a write. When the volume or an upstream cannot accept it now, the answer says when to try again; when an upstream refuses it,
    /// the answer has the upstream's reason.
    /// </summary>
    public static async ValueTask<Answer<T>> WriteAsync<T>(Func<ValueTask<Answer<T>>> write)
    {
        try
        {
            return await write();
        }
        catch (StoreReadOnlyException e)
        {
            return new Answer<T>.Unavailable(RetryWrite, e.Message, CacheHandling.Local);
        }
        catch (NotForwardedException e)
        {
            return Answers.NotForwarded<T>(e);
        }
    }
}
