namespace Gateway.Storage;

/// <summary>Reads of a tag together with its manifest.</summary>
public sealed partial class StoredRepository
{
    /// <inheritdoc/>
    public ValueTask<Result<TaggedManifest>> ReadTagAsync(TagName tag, bool isForClient, CancellationToken cancellationToken) =>
        ValueTask.FromResult<Result<TaggedManifest>>(ReadTag(tag) is { } tagged
            ? new Result<TaggedManifest>.Found(tagged, CacheHandling.Hit)
            : new Result<TaggedManifest>.Absent(CacheHandling.Local));

    /// <summary>
    /// The state of a tag with the manifest of its live digest; null when the tag has neither a live digest nor a held push.
    /// </summary>
    /// <param name="isWanted">Whether the manifest of a tag in this state is wanted; null for always.</param>
    public TaggedManifest? ReadTag(TagName tag, Func<TagName, TagState, bool>? isWanted = null)
    {
        if (Live(tag) is not { } state) return null;
        var isRead = state is { Held: null, Live.IsEmpty: false } && isWanted?.Invoke(tag, state) != false;
        return new(state, isRead ? ReadManifest(state.Live) : null);
    }
}
