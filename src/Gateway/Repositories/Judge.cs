using System.Collections.Immutable;
using System.Diagnostics;
using Gateway.Access;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Asks the policy about a repository's manifests, and puts what it says into decisions. One for the whole configuration in force.
/// </summary>
internal sealed class Judge(PolicyEngine engine, Decisions decisions, TimeProvider clock)
{
    /// <summary>Longest message in characters (docs/policy.md): every client shows it whole.</summary>
    private const int MaxMessage = 400;

    public PolicyEngine Engine => engine;

    /// <summary>Whether some rule is asked at some stages only: then what was admitted at one may be refused at another.</summary>
    public bool DependsOnStage { get; } = engine.Policy?.Rules.Any(rule => !rule.Stages.IsEmpty) == true;

    /// <summary>The verdict of a manifest that is stored: the one noted under this policy, or a new one.</summary>
    public async ValueTask<Verdict> OfStoredAsync(
        IBacking backing, RepositoryName name, StoredManifest manifest, TagName? tag, CancellationToken cancellationToken)
    {
        if (engine.AdmitsEverything) return Admitted;
        var noted = manifest.Verdict;
        if (tag is null && !DependsOnStage && noted.Revision == engine.Revision && noted.Outcome == (byte)Outcome.Allow) return Admitted;
        var descendants = await DescendantsAsync(backing, manifest.Manifest, cancellationToken);
        return Ask(new(name, tag, Stage.Pull, manifest.Digest, manifest.Manifest, descendants) { Now = clock.GetUtcNow() });
    }

    /// <summary>The worst verdict of a manifest that is about to be stored, and bound to these tags.</summary>
    public async ValueTask<Verdict> OfNewAsync(
        IBacking backing, RepositoryName name, StoredManifest manifest, Stage stage, ImmutableArray<TagName> tags,
        CancellationToken cancellationToken)
    {
        if (engine.AdmitsEverything) return Admitted;
        var descendants = await DescendantsAsync(backing, manifest.Manifest, cancellationToken);
        var now = clock.GetUtcNow();
        Verdict At(Stage at, TagName? tag) => Ask(new(name, tag, at, manifest.Digest, manifest.Manifest, descendants) { Now = now });

        var worst = At(stage, tags.IsEmpty ? null : tags[0]);
        foreach (var other in tags.Skip(1).Select(tag => At(stage, tag)).Concat(tags.Select(tag => At(Stage.Tag, tag))))
        {
            if (other.Outcome > worst.Outcome) worst = other;
        }
        return worst;
    }

    private Verdict Ask(PolicyInput input)
    {
        var begun = Stopwatch.GetTimestamp();
        var verdict = engine.Judge(input);
        PolicyMetrics.Judged(verdict, begun);
        return verdict;
    }

    /// <summary>Puts a verdict that refuses or warns on record.</summary>
    public Decision Decide(Verdict verdict, Stage stage, RepositoryName name, string reference, Digest digest, Asker asker)
    {
        var decision = new Decision(Decisions.NewId(), clock.GetUtcNow(), stage, name, reference, digest, asker.Actor, verdict)
        {
            Message = Line(verdict),
        };
        decisions.Remember(decision);
        return decision;
    }

    /// <summary>What is noted of a verdict with the manifest.</summary>
    public static VerdictStamp Stamp(Verdict verdict) => new(verdict.Revision, (byte)verdict.Outcome, 0);

    private Verdict Admitted { get; } = new(Outcome.Allow, engine.Revision, []);

    private static string Line(Verdict verdict)
    {
        var line = verdict.Reasons.IsEmpty ? $"refused by policy ({verdict.Outcome})" : verdict.Reasons[0].Message;
        return line.Length <= MaxMessage ? line : line[..MaxMessage];
    }

    /// <summary>
    /// Every manifest below an index that the repository holds, in the index's order; as deep as the policy lets an index be, and one more
    /// to see that it is deeper.
    /// </summary>
    private async ValueTask<ImmutableArray<(Digest, Manifest)>> DescendantsAsync(
        IBacking backing, Manifest manifest, CancellationToken cancellationToken)
    {
        if (!manifest.IsIndex) return [];
        var found = ImmutableArray.CreateBuilder<(Digest, Manifest)>();
        var seen = new HashSet<Digest>();
        var level = new List<Manifest> { manifest };
        for (var depth = 0; depth <= engine.Policy!.Parser.MaxIndexDepth && level.Count > 0; depth++)
        {
            var below = new List<Manifest>();
            foreach (var child in level.SelectMany(m => m.Children).Where(c => seen.Add(c.Digest)))
            {
                if (found.Count > engine.Limits.MaxDescriptors) return found.ToImmutable();
                if (await backing.ReadLinkAsync(child.Digest, LinkKind.Manifest, cancellationToken) is null) continue;
                if (await backing.ReadManifestAsync(child.Digest, cancellationToken)
                    is not Result<StoredManifest>.Found { Value: var stored })
                    continue;
                found.Add((child.Digest, stored.Manifest));
                if (stored.Manifest.IsIndex) below.Add(stored.Manifest);
            }
            level = below;
        }
        return found.ToImmutable();
    }
}
