namespace Gateway.Fronting;

/// <summary>Log messages of forwarding.</summary>
internal static partial class Log
{
    [LoggerMessage(9001, LogLevel.Information, "Forwarded blob {Digest} ({Bytes} bytes) to {Upstream} {Name} in {Seconds:0.0} s")]
    public static partial void BlobSent(ILogger logger, Digest digest, long bytes, string upstream, RepositoryName name, double seconds);

    [LoggerMessage(9002, LogLevel.Information, "Forwarded {Reference} ({Digest}) to {Upstream} {Name}")]
    public static partial void ManifestSent(ILogger logger, Reference reference, Digest digest, string upstream, RepositoryName name);

    [LoggerMessage(9003, LogLevel.Information, "Deleted {Reference} at {Upstream} {Name}")]
    public static partial void Deleted(ILogger logger, string reference, string upstream, RepositoryName name);

    [LoggerMessage(
        9005, LogLevel.Error,
        "Upstream refused accepted push {Sequence} to {Repository} ({Tags}); its tags are reset to the upstream's: {Why}")]
    public static partial void GivenUp(ILogger logger, string repository, long sequence, string tags, string why);

    [LoggerMessage(9006, LogLevel.Error, "Forwarding push {Sequence} to {Repository} failed; it is tried again")]
    public static partial void NotDelivered(ILogger logger, Exception exception, string repository, long sequence);

    [LoggerMessage(9004, LogLevel.Warning, "Forwarding {What} to {Upstream} {Name} failed: {Why}")]
    public static partial void NotSent(ILogger logger, string what, string upstream, RepositoryName name, string why);
}
