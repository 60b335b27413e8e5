using Gateway.Oci;

namespace Gateway.Fronting;

/// <summary>What this folder logs: what left for which upstream, and what did not.</summary>
internal static partial class Log
{
    [LoggerMessage(9001, LogLevel.Information, "Forwarded blob {Digest}, {Bytes} bytes, to {Upstream} {Name} in {Seconds:0.0} s")]
    public static partial void BlobSent(ILogger logger, Digest digest, long bytes, string upstream, RepositoryName name, double seconds);

    [LoggerMessage(9002, LogLevel.Information, "Forwarded {Reference} ({Digest}) to {Upstream} {Name}")]
    public static partial void ManifestSent(ILogger logger, Reference reference, Digest digest, string upstream, RepositoryName name);

    [LoggerMessage(9003, LogLevel.Information, "Deleted {Reference} at {Upstream} {Name}")]
    public static partial void Deleted(ILogger logger, string reference, string upstream, RepositoryName name);

    [LoggerMessage(
        9005, LogLevel.Error,
        "Push {Sequence} to {Repository} ({Tags}) was answered, and its upstream refuses it; its tags are the upstream's again: {Why}")]
    public static partial void GivenUp(ILogger logger, string repository, long sequence, string tags, string why);

    [LoggerMessage(9006, LogLevel.Error, "Push {Sequence} to {Repository} could not be given to its upstream now")]
    public static partial void NotDelivered(ILogger logger, Exception exception, string repository, long sequence);

    [LoggerMessage(9004, LogLevel.Warning, "{What} did not reach {Upstream} {Name}: {Why}")]
    public static partial void NotSent(ILogger logger, string what, string upstream, RepositoryName name, string why);
}
