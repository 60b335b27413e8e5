using Gateway.Configuration;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>The held pushes that the viewer sees.</summary>
/// <param name="Next">The value of <c>last</c> for the next page; null when this is the last one.</param>
public sealed record HoldPage(IReadOnlyList<HoldRow> Items, string? Next);

/// <summary>A held push.</summary>
/// <param name="Live">What the tag is bound to meanwhile; null for nothing.</param>
/// <param name="Missing">What it waited for when it was pushed, in one line.</param>
/// <param name="Reasons">Why the policy holds it now.</param>
/// <param name="Signers">Who could sign it.</param>
/// <param name="MayRelease">Whether the viewer may release it without evidence, which needs the right <c>admin</c>.</param>
/// <param name="MayDrop">Whether the viewer may end the hold, which needs the right <c>delete</c>.</param>
public sealed record HoldRow(
    string Repository, string Tag, string Digest, ContentKind? Kind, string Actor, DateTimeOffset PushedAt, DateTimeOffset Expires,
    string? Live, string Missing, IReadOnlyList<ReasonAnswer> Reasons, IReadOnlyList<SigningHint> Signers, bool MayRelease, bool MayDrop);

/// <summary>How an authority signs.</summary>
/// <param name="Authority">Its name in the policy.</param>
/// <param name="Tool"><c>cosign</c> or <c>notation</c>.</param>
/// <param name="Key">Id of its public key; null when it signs without a key.</param>
/// <param name="Identity">The identity that its certificates have; null when it signs with a key.</param>
/// <param name="EachImage">Whether each image of an index must be signed.</param>
public sealed record SigningHint(string Authority, string Tool, string? Key, string? Identity, bool EachImage);

/// <summary>Makes the page of held pushes.</summary>
internal sealed class HoldPages(StoredGates gates, KnownRepositories known)
{
    /// <summary>Rows of a page.</summary>
    public const int Rows = 50;

    /// <summary>The held pushes after a place, in the order of repositories and tags.</summary>
    /// <param name="repository">Only those of this repository; null for all.</param>
    /// <param name="last">The <see cref="HoldPage.Next"/> of the page before; null for the first page.</param>
    public async ValueTask<HoldPage> ReadAsync(Viewer viewer, string? repository, string? last, CancellationToken cancellationToken)
    {
        var rows = new List<HoldRow>();
        foreach (var name in await known.HoldersAsync(gates.Router))
        {
            if (repository is not null && name.Value != repository) continue;
            cancellationToken.ThrowIfCancellationRequested();
            if (gates.Find(viewer, name) is not var (routed, inspection) || !inspection.SeesHidden(viewer.In(name))) continue;
            foreach (var held in inspection.HeldPushes().Values.OrderBy(static h => h.Tag.Value, StringComparer.Ordinal))
            {
                if (last is not null && string.CompareOrdinal(Place(name, held), last) <= 0) continue;
                if (rows.Count == Rows) return new(rows, Place(RepositoryName.Parse(rows[^1].Repository), rows[^1].Tag));
                rows.Add(await RowAsync(viewer, routed, inspection, held, cancellationToken));
            }
        }
        return new(rows, null);
    }

    /// <summary>The held push of one tag; null when there is none that the viewer sees.</summary>
    public async ValueTask<HoldRow?> FindAsync(Viewer viewer, string repository, string tag, CancellationToken cancellationToken) =>
        TagName.TryParse(tag, out var named) && gates.Find(viewer, repository) is var (routed, inspection)
        && inspection.SeesHidden(viewer.In(routed.CanonicalName))
        && inspection.HeldPushes().TryGetValue(named, out var held)
            ? await RowAsync(viewer, routed, inspection, held, cancellationToken)
            : null;

    // A space sorts before every character of a name.
    private static string Place(RepositoryName name, HeldPush held) => Place(name, held.Tag.Value);

    private static string Place(RepositoryName name, string tag) => $"{name.Value} {tag}";

    private static async ValueTask<HoldRow> RowAsync(
        Viewer viewer, Routed routed, Inspection inspection, HeldPush held, CancellationToken cancellationToken)
    {
        var (name, caller) = (routed.CanonicalName, viewer.In(routed.CanonicalName));
        var manifest = await inspection.ReadAsync(held.Digest, cancellationToken);
        var verdict = manifest is null ? null : await inspection.VerdictAsync(manifest, held.Tag, Stage.Push, cancellationToken);
        var live = inspection.LiveOf(held.Tag);
        return new(
            name.Value, held.Tag.Value, held.Digest.ToString(), manifest is null ? null : ContentKinds.Of(manifest.Manifest), held.Actor,
            held.PushedAt, held.Expires, live.IsEmpty ? null : live.ToString(), held.Missing,
            verdict is null ? [] : [.. verdict.Reasons.Select(ExplanationForm.Answer)], SignersOf(inspection.Policy, verdict),
            caller.Rights.HasFlag(AccessActions.Admin) && routed.Source is null, caller.Rights.HasFlag(AccessActions.Delete));
    }

    // The authorities that the rules which hold it require.
    private static SigningHint[] SignersOf(PolicyOptions? policy, Verdict? verdict)
    {
        if (policy is null || verdict is null) return [];
        var holding = verdict.Rules.Where(static rule => rule.Effective > Outcome.Warn).Select(static rule => rule.Id).ToHashSet();
        return
        [
            .. policy.Rules.Where(rule => holding.Contains(rule.Id)).SelectMany(static rule => rule.Require.Signatures)
                .Where(need => policy.Trust.Authorities.ContainsKey(need.Authority))
                .Select(need => HintOf(policy.Trust.Authorities[need.Authority], need)).Distinct(),
        ];
    }

    private static SigningHint HintOf(AuthorityOptions authority, SignatureRequirementOptions need)
    {
        var eachImage = need.Coverage is IndexCoverage.Children or IndexCoverage.Both;
        if (authority.Keyless is { } keyless)
            return new(authority.Id, "cosign", null, $"{keyless.Subject ?? keyless.SubjectPattern} of {keyless.Issuer}", eachImage);
        return authority.Notation is not null
            ? new(authority.Id, "notation", null, null, eachImage)
            : new(authority.Id, "cosign", authority.AnyOf.FirstOrDefault(), null, eachImage);
    }
}
