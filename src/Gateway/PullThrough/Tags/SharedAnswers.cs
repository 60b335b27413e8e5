namespace Gateway.PullThrough;

/// <summary>
/// What one repository's upstream says about tags, as this replica shares it with the others. Answers from before a push or a deletion
/// through this gateway are not used again.
/// </summary>
/// <param name="shared">Null if this gateway is alone.</param>
internal sealed class SharedAnswers(UpstreamRepository source, ISharedTags? shared, TimeProvider clock)
{
    // When the upstream said to another replica what a tag is bound to, until the tag is bound here.
    private readonly ExpiringMap<TagName, DateTimeOffset> _ages = new(4096, clock);

    // When a push or a deletion through this gateway changed a tag at the upstream.
    private readonly ExpiringMap<TagName, DateTimeOffset> _changed = new(4096, clock);

    /// <summary>The time by the clock that all replicas share; null if it is not known.</summary>
    public TimeSpan? Now => shared?.Now;

    /// <summary>
    /// What the upstream said to another replica: as good as what it says here, as long as it is fresh. Null for nothing.
    /// </summary>
    public async ValueTask<SharedTag?> FindAsync(TagName tag)
    {
        if (shared is null || !source.IsOfOwnAccount) return null;
        var after = source.Options.Tags.RevalidateAfter;
        var maxAge = Freshness.IsOfEvidence(tag) ? Freshness.OfEvidence : after == Timeout.InfiniteTimeSpan ? TimeSpan.MaxValue : after;
        var found = await shared.FindAsync(source, tag, maxAge);
        return found is not null && _changed.TryGet(tag, out var changed) && clock.GetUtcNow() - found.Age <= changed ? null : found;
    }

    /// <summary>Tells the other replicas what the upstream said.</summary>
    /// <param name="digest">The default if the tag was removed.</param>
    /// <param name="at"><see cref="Now"/> before the upstream was asked; null to share nothing.</param>
    public void Share(TagName tag, Digest digest, TimeSpan? at)
    {
        if (at is { } time && source.IsOfOwnAccount) shared?.Said(source, tag, digest, time, source.Options.Tags.RevalidateAfter);
    }

    /// <summary>Notes the age of the last answer, for the time when the tag is bound.</summary>
    /// <param name="age">Zero if the upstream said it to this replica.</param>
    /// <param name="lifetime">How long the note lasts.</param>
    public void Aged(TagName tag, TimeSpan age, TimeSpan lifetime)
    {
        if (age > TimeSpan.Zero) _ages.Set(tag, clock.GetUtcNow() - age, lifetime);
        else if (shared is not null) _ages.Remove(tag);
    }

    /// <summary>When a tag that is bound now was validated: earlier than now if another replica has asked.</summary>
    public DateTimeOffset ValidatedAt(TagName tag) => shared is not null && _ages.TryGet(tag, out var at) ? at : clock.GetUtcNow();

    /// <summary>Records that the upstream has just bound or removed the tag, because a client pushed or deleted.</summary>
    /// <param name="digest">The default for a removed tag.</param>
    public void Changed(TagName tag, Digest digest)
    {
        if (shared is null) return;
        _ages.Remove(tag);
        _changed.Set(tag, clock.GetUtcNow(), ISharedTags.LongestAge);
        Share(tag, digest, shared.Now);
    }
}
