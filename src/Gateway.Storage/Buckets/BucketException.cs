namespace Gateway.Storage;

/// <summary>
/// A call to a bucket that did not succeed. The message says which bucket, call and key, what was expected and received, and what to do. It
/// has no text of the store's own, which can repeat keys and signatures.
/// </summary>
/// <param name="store">Which bucket, such as <c>bucket images at https://s3.example.com</c>.</param>
/// <param name="problem">The call and its key, what was expected and received.</param>
/// <param name="remedy">What to do, in the imperative.</param>
/// <param name="status">The HTTP status of the store's answer; null without an answer.</param>
/// <param name="code">The store's code, such as <c>SlowDown</c> or <c>AccessDenied</c>; empty without one.</param>
public sealed class BucketException(string store, string problem, string remedy, int? status, string code)
    : IOException($"{store}: {problem}; {remedy}")
{
    /// <summary>The call and its key, what was expected and received.</summary>
    public string Problem => problem;

    /// <summary>What to do, in the imperative.</summary>
    public string Remedy => remedy;

    /// <summary>The HTTP status of the store's answer; null without an answer.</summary>
    public int? Status => status;

    /// <summary>Whether the store does not allow the call to this access key.</summary>
    public bool IsDenied => status is 401 or 403;

    /// <summary>The store's code; empty without one.</summary>
    public string Code => code;

    /// <summary>What a client is told. It names no key and no address.</summary>
    public string ForClients => IsDenied
        ? "the bucket of this registry refused it; the gateway's log has the reason"
        : "the bucket of this registry does not answer";

    /// <summary>
    /// The message alone: it says all that helps, and the stack through the SDK would fill a log while the store is away.
    /// </summary>
    public override string ToString() => Message;
}
