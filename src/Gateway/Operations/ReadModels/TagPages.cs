using Gateway.Access;
using Gateway.Configuration;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>A question for a page of the tags of a repository.</summary>
/// <param name="Repository">The repository's name.</param>
/// <param name="Type">Key of a <see cref="ContentKind"/>; null for all.</param>
/// <param name="Signature">A state of <see cref="SignatureState"/>, or <c>held</c>; null for all.</param>
/// <param name="Platform">A part of a platform, such as <c>arm64</c>; null for all.</param>
/// <param name="OlderThan">The least age, in days; null for all.</param>
/// <param name="Search">A part of the tag; null for all.</param>
/// <param name="Last">The tag before the page; null for the first page.</param>
/// <param name="Count">Rows, 1 to <see cref="TagPages.MostRows"/>.</param>
/// <param name="Sort"><c>name</c>, or <c>own</c> for the tags that free most when they are deleted, which have one page.</param>
public sealed record TagQuestion(
    string Repository, string? Type = null, string? Signature = null, string? Platform = null, int? OlderThan = null, string? Search = null,
    string? Last = null, int Count = TagPages.Rows, string Sort = "name")
{
    /// <summary>Whether tags are left out.</summary>
    public bool IsFiltered => (Type ?? Signature ?? Platform ?? Search) is not null || OlderThan is not null;
}

/// <summary>A page of the tags of one repository.</summary>
/// <param name="Source">How the content came here: <c>stored</c>, <c>cached</c> or <c>fronted</c>.</param>
/// <param name="Upstream">Key of its upstream; null for built-in storage.</param>
/// <param name="Rules">The rules of the policy that are about the repository.</param>
/// <param name="MayDelete">Whether the viewer may delete tags here.</param>
/// <param name="Next">The value of <c>last</c> for the next page; null when this is the last one.</param>
/// <param name="Notice">Why tags may be missing; null when none are.</param>
public sealed record TagPage(
    string Repository, string Source, string? Upstream, IReadOnlyList<string> Rules, bool MayDelete, IReadOnlyList<TagRow> Items,
    string? Next, string? Notice);

/// <param name="Digest">What it is bound to; of a tag that is only held, the held push.</param>
/// <param name="Kind">Null when the viewer does not see the content.</param>
/// <param name="Size">Bytes of config and layers.</param>
/// <param name="SeenAt">When the content was first seen here.</param>
/// <param name="Outcome">The policy's outcome for a pull: <c>allow</c>, <c>warn</c>, <c>quarantine</c> or <c>deny</c>.</param>
/// <param name="Held">The held push of the tag; null for none, and for viewers without the right to push.</param>
public sealed record TagRow(
    string Tag, string Digest, ContentKind? Kind, IReadOnlyList<string> Platforms, long Size, DateTimeOffset? SeenAt,
    SignatureState Signature, string Outcome, HeldSummary? Held)
{
    /// <summary>How often clients got its manifest, by the tag or by the digest, and when they last did.</summary>
    public PullView Pulls { get; init; } = new(0, null);

    /// <summary>Bytes that no other tag of the repository needs; null when the tags are not ordered by it.</summary>
    public long? OwnBytes { get; init; }
}

/// <summary>A held push, in short.</summary>
/// <param name="Missing">What it waits for, in one line.</param>
public sealed record HeldSummary(string Digest, string Actor, DateTimeOffset PushedAt, DateTimeOffset Expires, string Missing);

/// <summary>Makes pages of tags.</summary>
internal sealed class TagPages(
    StoredGates gates, RepositoryPages repositories, ManifestReadings readings, PullCounts pulls, TimeProvider clock)
{
    /// <summary>Rows of a page that names no number.</summary>
    public const int Rows = 50;

    /// <summary>Most rows of a page: each may need an evaluation, about 0.5 ms.</summary>
    public const int MostRows = 200;

    // Tags that are looked at for one page with filters.
    private const int MostLookedAt = 500;

    // Tags that are compared for the order by own size.
    private const int MostSorted = 1000;

    // Names read at a time.
    private const int NamesAtOnce = 100;

    // A question with what it is about.
    private sealed record Asked(
        Inspection Inspection, Repository Repository, Caller Caller, Dictionary<TagName, HeldPush> Held, TagQuestion Question);

    private sealed record Found(List<TagRow> Rows, string? Next, string? Notice);

    /// <summary>The page that answers a question; null when the viewer sees no such repository.</summary>
    public async ValueTask<TagPage?> ReadAsync(Viewer viewer, TagQuestion question, CancellationToken cancellationToken)
    {
        if (!RepositoryName.TryParse(question.Repository, out var name) || gates.Find(viewer, name) is not var (routed, inspection))
            return null;
        var caller = viewer.In(routed.CanonicalName);
        var asked = new Asked(
            inspection, routed.Repository!, caller, inspection.SeesHidden(caller) ? inspection.HeldPushes() : [], question);
        var found = question.Sort == "own"
            ? await LargestAsync(asked, cancellationToken)
            : await FollowingAsync(asked, cancellationToken);
        return found is null ? null : new(
            routed.CanonicalName.Value, repositories.SourceOf(routed), routed.Source?.Upstream,
            [.. inspection.Policy?.Rules.Where(rule => rule.IsAbout(name)).Select(static rule => rule.Id) ?? []],
            MayDelete(viewer, routed, caller), found.Rows, found.Next, found.Notice);
    }

    // The next rows by name; null when the viewer sees no such repository.
    private async ValueTask<Found?> FollowingAsync(Asked asked, CancellationToken cancellationToken)
    {
        var (rows, looked, last) = (new List<TagRow>(), 0, asked.Question.Last);
        while (true)
        {
            if (await NamesAsync(asked, last, cancellationToken) is not { } page)
                return rows.Count > 0 || last is not null ? new(rows, null, null) : null;
            foreach (var tag in page.Items)
            {
                if (rows.Count == asked.Question.Count) return new(rows, last, null);
                if (looked++ == MostLookedAt)
                    return new(rows, last, $"{MostLookedAt} tags were looked at; the next page looks further.");
                last = tag.Value;
                if (await MatchAsync(asked, tag, cancellationToken) is { } row) rows.Add(row);
            }
            if (!page.More || page.Items.Count == 0) return new(rows, null, null);
        }
    }

    // The rows that free most; null when the viewer sees no such repository.
    private async ValueTask<Found?> LargestAsync(Asked asked, CancellationToken cancellationToken)
    {
        var tags = new List<TagName>();
        for (var more = true; more && tags.Count <= MostSorted;)
        {
            if (await NamesAsync(asked, tags.LastOrDefault().Value, cancellationToken) is not { } page)
            {
                if (tags.Count == 0) return null;
                break;
            }
            tags.AddRange(page.Items);
            more = page.More && page.Items.Count > 0;
        }
        var (own, isComplete) = await TagSizes.OfAsync(asked.Inspection, tags, cancellationToken);
        var rows = new List<TagRow>();
        foreach (var (tag, bytes) in own.OrderByDescending(static each => each.Value).Take(MostLookedAt))
        {
            if (rows.Count == asked.Question.Count) break;
            if (await MatchAsync(asked, tag, cancellationToken) is { } row) rows.Add(row with { OwnBytes = bytes });
        }
        var isWhole = isComplete && tags.Count <= MostSorted;
        return new(rows, null, isWhole ? null : "The repository is large: not all of its tags were compared.");
    }

    // The row of a tag; null when the question is not about it.
    private async ValueTask<TagRow?> MatchAsync(Asked asked, TagName tag, CancellationToken cancellationToken)
    {
        if (asked.Question.Search is { } part && !tag.Value.Contains(part, StringComparison.OrdinalIgnoreCase)) return null;
        var row = await RowAsync(asked.Inspection, asked.Caller, tag, asked.Held.GetValueOrDefault(tag), cancellationToken);
        return row is not null && Matches(row, asked.Question) ? row : null;
    }

    /// <summary>
    /// Whether the viewer may remove content of a repository: with the right to delete where clients push, and as the operator where the
    /// content is cached.
    /// </summary>
    public bool MayDelete(Viewer viewer, Routed routed, Caller caller) =>
        repositories.SourceOf(routed) == "cached" ? viewer.IsOperator : caller.Rights.HasFlag(AccessActions.Delete);

    /// <summary>Whether the viewer may bind tags of a repository: with the right to push, where clients push.</summary>
    public bool MayPush(Routed routed, Caller caller) => repositories.SourceOf(routed) != "cached" && caller.MayPush;

    // The gate lists what the caller could pull, and a pusher's held tags; the operator sees held tags of any repository.
    private static async ValueTask<Page<TagName>?> NamesAsync(Asked asked, string? last, CancellationToken cancellationToken)
    {
        var answer = await asked.Repository.TagsAsync(asked.Caller, last, NamesAtOnce, cancellationToken);
        if (answer is Answer<Page<TagName>>.Found { Value: var page }) return page;
        if (asked.Held.Count == 0 || last is not null) return null;
        return new([.. asked.Held.Keys.OrderBy(static tag => tag.Value, StringComparer.Ordinal).Take(NamesAtOnce)], false);
    }

    /// <summary>The row of one tag; null when the tag was removed meanwhile.</summary>
    public async ValueTask<TagRow?> RowAsync(
        Inspection inspection, Caller caller, TagName tag, HeldPush? held, CancellationToken cancellationToken)
    {
        var live = inspection.LiveOf(tag);
        var (digest, stage) = live.IsEmpty && held is not null ? (held.Digest, Stage.Push) : (live, Stage.Pull);
        if (digest.IsEmpty) return null;
        var waiting = held is null ? null : Summary(held);
        if (await inspection.ReadAsync(digest, cancellationToken) is not { } manifest)
            return new(tag.Value, digest.ToString(), null, [], 0, null, new("unknown", "The manifest is not stored here", []), "", waiting);
        var verdict = await inspection.VerdictAsync(manifest, tag, stage, cancellationToken);
        var outcome = verdict.Outcome.ToString().ToLowerInvariant();
        if (!verdict.Admits && !inspection.SeesHidden(caller))
            return new(
                tag.Value, digest.ToString(), null, [], 0, null,
                new("hidden", verdict.Reasons.IsEmpty ? "The policy refuses it" : verdict.Reasons[0].Message, []), outcome, null);
        var facts = await readings.OfAsync(inspection, manifest, cancellationToken);
        var signature = await SignatureStates.OfAsync(inspection, digest, verdict, cancellationToken);
        var seen = await inspection.FirstSeenAsync(digest);
        return new(
            tag.Value, digest.ToString(), ContentKinds.Of(manifest.Manifest, tag), facts.Platforms, facts.Size, seen, signature, outcome,
            waiting)
        {
            Pulls = pulls.Of(inspection.Name.Value, tag.Value, digest.ToString()),
        };
    }

    public static HeldSummary Summary(HeldPush held) =>
        new(held.Digest.ToString(), held.Actor, held.PushedAt, held.Expires, held.Missing);

    private bool Matches(TagRow row, TagQuestion question) =>
        (question.Type is not { } type || row.Kind?.Key == type)
        && (question.Signature is not { } state || (state == "held" ? row.Held is not null : row.Signature.State == state))
        && (question.Platform is not { } part || row.Platforms.Any(p => p.Contains(part, StringComparison.OrdinalIgnoreCase)))
        && (question.OlderThan is not { } days || row.SeenAt is null || clock.GetUtcNow() - row.SeenAt > TimeSpan.FromDays(days));
}
