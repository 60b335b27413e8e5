using System.Runtime.CompilerServices;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>The verdict of a reference.</summary>
/// <param name="Digest">The manifest that was evaluated: for a tag its held push, otherwise what the tag is bound to.</param>
/// <param name="Held">The held push of the tag, even when it has expired and is not removed yet; null for none, and for a digest.</param>
/// <param name="Live">What the tag is bound to; empty for nothing, and for a digest.</param>
internal sealed record Explanation(Digest Digest, Verdict Verdict, HeldPush? Held, Digest Live);

/// <summary>
/// Evaluates the policy without effect: it reads and asks as a request does, but records no decision and notes no verdict.
/// </summary>
internal sealed class PolicyDryRun(IBacking backing, Evaluator evaluator)
{
    /// <summary>Tags read at once.</summary>
    private const int TagPage = 1000;

    /// <summary>Evaluates a tag or digest; null when the repository does not have it.</summary>
    public async ValueTask<Explanation?> ExplainAsync(Reference reference, Stage stage, CancellationToken cancellationToken)
    {
        TagName? tag = reference.IsDigest ? null : reference.Tag;
        var live = tag is { } named ? backing.LiveOf(named) : default;
        var held = tag is null ? null : backing.HeldPushes().Where(h => h.Tag.Equals(tag)).MaxBy(static h => h.Sequence);
        var digest = tag is null ? reference.Digest : held?.Digest ?? live;
        if (digest.IsEmpty || await backing.ReadLinkedAsync(digest, cancellationToken) is not { } manifest) return null;
        if (evaluator.Engine.AdmitsEverything) return new(digest, new(Outcome.Allow, 0, []), held, live);
        var closure = await evaluator.ReadAsync(manifest, cancellationToken);
        return new(digest, await evaluator.TryAsync(closure, stage, tag, cancellationToken), held, live);
    }

    /// <summary>Every tag that is live or has a held push: the live ones first, in bytewise order.</summary>
    public async IAsyncEnumerable<TagName> TagsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (string? last = null; ;)
        {
            var found = await backing.TagsAfterAsync(last, TagPage, cancellationToken);
            if (found is not Result<Page<TagName>>.Found { Value: var page }) break;
            foreach (var tag in page.Items) yield return tag;
            if (!page.More) break;
            last = page.Items[^1].Value;
        }
        foreach (var tag in backing.HeldPushes().Select(static h => h.Tag).Distinct())
        {
            if (backing.LiveOf(tag).IsEmpty) yield return tag;
        }
    }
}
