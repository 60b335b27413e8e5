namespace Gateway.PullThrough;

/// <summary>
/// What upstreams said about tags to other replicas. It says only what the upstream said, and when; not that this replica may show it, nor
/// that it has the content.
/// </summary>
internal interface ISharedTags
{
    /// <summary>Longest time that an answer is shared. Chosen: replicas that start together ask once an hour at most.</summary>
    static readonly TimeSpan LongestAge = TimeSpan.FromHours(1);

    /// <summary>The time by the clock that all replicas share; null if it is not known.</summary>
    TimeSpan? Now { get; }

    /// <summary>The upstream's last answer about a tag to any replica; null if there is none of less than this age.</summary>
    ValueTask<SharedTag?> FindAsync(UpstreamRepository source, TagName tag, TimeSpan maxAge);

    /// <summary>
    /// Tells the other replicas what the upstream said about the tag, unless they know a later answer. Does not wait.
    /// </summary>
    /// <param name="digest">The default if the tag was removed.</param>
    /// <param name="at"><see cref="Now"/> before the upstream was asked.</param>
    void Said(UpstreamRepository source, TagName tag, Digest digest, TimeSpan at, TimeSpan maxAge);

    /// <summary>Ignores what was said until now, because the operator purged it.</summary>
    void Forget();
}

/// <param name="Age">The time since the upstream said it.</param>
internal sealed record SharedTag(Digest Digest, TimeSpan Age);
