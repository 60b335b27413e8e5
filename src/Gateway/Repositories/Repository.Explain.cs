using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>What the policy says of what a reference stands for.</summary>
/// <param name="Digest">The manifest that was asked about: of a tag what waits for it, else what it is bound to.</param>
/// <param name="Held">What waits for the tag, also after its time until it is dropped; null for nothing, and for a digest.</param>
/// <param name="Live">What the tag is bound to; empty for nothing, and for a digest.</param>
internal sealed record Explanation(Digest Digest, Verdict Verdict, HeldPush? Held, Digest Live);

/// <summary>
/// Asking the policy in a dry run: by the reading and the question of every request, with nothing decided and nothing noted.
/// </summary>
internal sealed partial class Repository
{
    /// <summary>Tags at once: a directory's worth of names.</summary>
    private const int TagPage = 1000;

    /// <summary>Null when there is nothing of that name here.</summary>
    public async ValueTask<Explanation?> ExplainAsync(Reference reference, Stage stage, CancellationToken cancellationToken)
    {
        TagName? tag = reference.IsDigest ? null : reference.Tag;
        var live = tag is { } named ? backing.LiveOf(named) : default;
        var waiting = tag is null ? null : backing.HeldPushes().Where(o => o.Tag.Equals(tag)).MaxBy(static o => o.Sequence);
        var digest = tag is null ? reference.Digest : waiting?.Digest ?? live;
        if (digest.IsEmpty || await backing.ReadLinkAsync(digest, LinkKind.Manifest, cancellationToken) is null
            || await backing.ReadManifestAsync(digest, cancellationToken) is not Result<StoredManifest>.Found { Value: var manifest })
            return null;
        if (judge.Engine.AdmitsEverything) return new(digest, new(Outcome.Allow, 0, []), waiting, live);
        var closure = await judge.ReadAsync(backing, manifest, null, cancellationToken);
        return new(digest, await judge.TryAsync(closure, Name, stage, tag, cancellationToken), waiting, live);
    }

    /// <summary>Every tag that is bound or waits, in bytewise order as far as they are bound.</summary>
    public async IAsyncEnumerable<TagName> TagsToExplainAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (string? last = null; ;)
        {
            var found = await backing.TagsAfterAsync(last, TagPage, cancellationToken);
            if (found is not Result<Page<TagName>>.Found { Value: var page }) break;
            foreach (var tag in page.Items) yield return tag;
            if (!page.More) break;
            last = page.Items[^1].Value;
        }
        foreach (var tag in backing.HeldPushes().Select(static o => o.Tag).Distinct())
        {
            if (backing.LiveOf(tag).IsEmpty) yield return tag;
        }
    }
}
