namespace Gateway.Storage;

/// <summary>
/// A call to a bucket that did not succeed. The message says which bucket, call and key, what was expected and received, and what to do. It
/// has no text of the store's own, which can repeat keys and signatures.
/// </summary>
/// <param name="status">The HTTP status of the store's answer; null without an answer.</param>
/// <param name="code">The store's code, such as <c>SlowDown</c> or <c>AccessDenied</c>; empty without one.</param>
internal sealed class BucketException(string message, int? status, string code, Exception? inner = null) : IOException(message, inner)
{
    /// <summary>The HTTP status of the store's answer; null without an answer.</summary>
    public int? Status => status;

    /// <summary>The store's code; empty without one.</summary>
    public string Code => code;
}
