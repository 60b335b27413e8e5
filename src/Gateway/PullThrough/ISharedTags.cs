using Gateway.Oci;

namespace Gateway.PullThrough;

/// <summary>
/// What upstreams said about tags to other replicas. It says only what the upstream said, and when; not that this replica may show it, nor
/// that it has the content.
/// </summary>
internal interface ISharedTags
{
    /// <summary>The upstream's last answer about a tag to any replica; null if there is none of less than this age.</summary>
    ValueTask<SharedTag?> FindAsync(UpstreamRepository source, TagName tag, TimeSpan maxAge);

    /// <summary>Tells the other replicas that the upstream has just said that the tag is bound to this digest. Does not wait.</summary>
    void Said(UpstreamRepository source, TagName tag, Digest digest, TimeSpan maxAge);

    /// <summary>Ignores what was said until now, because the operator purged it.</summary>
    void Forget();
}

/// <param name="Age">The time since the upstream said it.</param>
internal sealed record SharedTag(Digest Digest, TimeSpan Age);
