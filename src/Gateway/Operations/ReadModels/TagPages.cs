using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
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

/// <summary>A tag.</summary>
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

    /// <summary>The page that answers a question; null when the viewer sees no such repository.</summary>
    public async ValueTask<TagPage?> ReadAsync(Viewer viewer, TagQuestion question, CancellationToken cancellationToken)
    {
        if (!RepositoryName.TryParse(question.Repository, out var name) || gates.Find(viewer, name) is not var (routed, inspection))
            return null;
        var caller = viewer.In(routed.CanonicalName);
        var held = inspection.SeesHidden(caller) ? inspection.HeldPushes() : [];
        if (question.Sort == "own")
        {
            return await OwnAsync(inspection, routed.Repository!, caller, question, held, cancellationToken) is not var (sorted, why)
                ? null
                : Page(sorted, null, why);
        }
        var (rows, looked, last) = (new List<TagRow>(), 0, question.Last);
        string? next = null, notice = null;
        for (var more = true; more && next is null && notice is null;)
        {
            if (await NamesAsync(routed.Repository!, caller, last, held, cancellationToken) is not { } page)
                return rows.Count > 0 || last is not null ? Page(rows, next, notice) : null;
            more = page.More && page.Items.Count > 0;
            foreach (var tag in page.Items)
            {
                if (rows.Count == question.Count)
                {
                    next = last;
                    break;
                }
                if (looked++ == MostLookedAt)
                {
                    (next, notice) = (last, $"{MostLookedAt} tags were looked at; the next page looks further.");
                    break;
                }
                last = tag.Value;
                if (question.Search is { } part && !tag.Value.Contains(part, StringComparison.OrdinalIgnoreCase)) continue;
                var row = await RowAsync(inspection, caller, tag, held.GetValueOrDefault(tag), cancellationToken);
                if (row is not null && Matches(row, question)) rows.Add(row);
            }
        }
        return Page(rows, next, notice);

        TagPage Page(IReadOnlyList<TagRow> items, string? after, string? why) => new(
            routed.CanonicalName.Value, repositories.SourceOf(routed), routed.Source?.Upstream,
            [.. inspection.Policy?.Rules.Where(rule => rule.IsAbout(name)).Select(static rule => rule.Id) ?? []],
            MayDelete(viewer, routed, caller), items, after, why);
    }

    // The rows that free most; null when the viewer sees no such repository.
    private async ValueTask<(List<TagRow> Rows, string? Notice)?> OwnAsync(
        Inspection inspection, Repository repository, Caller caller, TagQuestion question, Dictionary<TagName, HeldPush> held,
        CancellationToken cancellationToken)
    {
        var tags = new List<TagName>();
        string? last = null;
        for (var more = true; more && tags.Count <= MostSorted;)
        {
            if (await NamesAsync(repository, caller, last, held, cancellationToken) is not { } page)
            {
                if (last is null) return null;
                break;
            }
            tags.AddRange(page.Items);
            (more, last) = (page.More && page.Items.Count > 0, page.Items.Count > 0 ? page.Items[^1].Value : last);
        }
        var (own, isComplete) = await TagSizes.OfAsync(inspection, tags, cancellationToken);
        var rows = new List<TagRow>();
        foreach (var (tag, bytes) in own.OrderByDescending(static each => each.Value).Take(MostLookedAt))
        {
            if (rows.Count == question.Count) break;
            if (question.Search is { } part && !tag.Value.Contains(part, StringComparison.OrdinalIgnoreCase)) continue;
            var row = await RowAsync(inspection, caller, tag, held.GetValueOrDefault(tag), cancellationToken);
            if (row is not null && Matches(row, question)) rows.Add(row with { OwnBytes = bytes });
        }
        return (rows, isComplete && tags.Count <= MostSorted ? null : "The repository is large: not all of its tags were compared.");
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
    private static async ValueTask<Page<TagName>?> NamesAsync(
        Repository repository, Caller caller, string? last, Dictionary<TagName, HeldPush> held, CancellationToken cancellationToken)
    {
        var answer = await repository.TagsAsync(caller, last, NamesAtOnce, cancellationToken);
        if (answer is Answer<Page<TagName>>.Found { Value: var page }) return page;
        if (held.Count == 0 || last is not null) return null;
        return new([.. held.Keys.OrderBy(static tag => tag.Value, StringComparer.Ordinal).Take(NamesAtOnce)], false);
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

    /// <summary>A held push, for pages.</summary>
    public static HeldSummary Summary(HeldPush held) =>
        new(held.Digest.ToString(), held.Actor, held.PushedAt, held.Expires, held.Missing);

    private bool Matches(TagRow row, TagQuestion question) =>
        (question.Type is not { } type || row.Kind?.Key == type)
        && (question.Signature is not { } state || (state == "held" ? row.Held is not null : row.Signature.State == state))
        && (question.Platform is not { } part || row.Platforms.Any(p => p.Contains(part, StringComparison.OrdinalIgnoreCase)))
        && (question.OlderThan is not { } days || row.SeenAt is null || clock.GetUtcNow() - row.SeenAt > TimeSpan.FromDays(days));
}
