using System.Collections.Immutable;
using Gateway.Policy;
using Gateway.Policy.Signatures;

namespace Gateway.Commands.Policy;

/// <summary>Likely mistakes in a policy as a whole, found by evaluating an image and the output of signing tools.</summary>
internal static class LintDefaults
{
    private static readonly Descriptor Empty = new(MediaTypes.OciEmpty, Digest.Of("{}"u8), 2);

    private static readonly Descriptor Config = new(MediaTypes.OciConfig, Digest.Of("config"u8), 6);

    private static readonly Manifest Image = new(MediaTypes.OciManifest)
    {
        Config = Config, Layers = [new("application/vnd.oci.image.layer.v1.tar+gzip", Digest.Of("layer"u8), 5)],
    };

    private static readonly Digest Subject = Digest.Of("image"u8);

    private static readonly (string By, Manifest Manifest, TagName? Tag)[] Signatures =
    [
        ("cosign 3", new(MediaTypes.OciManifest)
        {
            ArtifactType = EvidenceTypes.Bundle, Config = Empty, Layers = [new(EvidenceTypes.Bundle, Digest.Of("bundle"u8), 6)],
            Subject = new(MediaTypes.OciManifest, Subject, 5),
        }, null),
        ("cosign 2", new(MediaTypes.OciManifest)
        {
            Config = Config, Layers = [new(EvidenceTypes.SimpleSigning, Digest.Of("payload"u8), 7)],
        }, EvidenceTag.Of(Subject, EvidenceTag.Signature)),
        (Notation, new(MediaTypes.OciManifest)
        {
            Config = new("application/vnd.cncf.notary.signature", Digest.Of("{}"u8), 2),
            Layers = [new(EvidenceTypes.Jws, Digest.Of("envelope"u8), 8)], Subject = new(MediaTypes.OciManifest, Subject, 5),
        }, null),
    ];

    private const string Notation = "notation";

    public static IEnumerable<LintFinding> Of(PolicyOptions policy)
    {
        var engine = new PolicyEngine(policy);
        return Rules(policy, engine).Concat(Whole(policy)).Concat(NewerSignatures(policy, engine));
    }

    private static IEnumerable<LintFinding> Rules(PolicyOptions policy, PolicyEngine engine)
    {
        var told = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (i, rule) in policy.Rules.Index().Where(static one => one.Item.Mode != RuleMode.Audit))
        {
            var path = $"policy.rules[{i}]";
            if (Sample(rule) is not { } name) continue;
            if (policy.Default == Outcome.Deny && Uncovered(engine, name, TagOf(rule)) is { Length: > 0 } stages)
                yield return new(
                    $"{path}.match.stages", "DEFAULT_DENIES_STAGE",
                    $"policy.default: deny refuses the content of this rule at {string.Join(", ", stages)}, because no rule matches there",
                    "remove stages, or add a rule for these stages");
            if (rule.Require.Signatures.IsEmpty && rule.Require.Attestations.IsEmpty) continue;
            foreach (var (by, manifest, tag) in Signatures.Where(one => Asks(rule.Require, policy.Trust, one.By == Notation)))
            {
                var verdict = OfSignature(engine, name, tag, manifest);
                if (!verdict.Admits && told.Add($"{by} {verdict.Reasons[0].Message}"))
                    yield return new(
                        path, "EVIDENCE_REFUSED",
                        $"a signature by {by} in {name} would be refused: {verdict.Reasons[0].Code}, {verdict.Reasons[0].Message}",
                        "allow its types in policy.artifactTypes, or add a rule with kinds: [evidence] under default: deny");
            }
        }
    }

    // Quay's own example lists the types of cosign 2. With that list, signatures of cosign 3 are refused.
    private static IEnumerable<LintFinding> NewerSignatures(PolicyOptions policy, PolicyEngine engine)
    {
        if (policy.ArtifactTypes?.Allowed is null) yield break;
        var name = RepositoryName.Parse("team/app");
        var refused = Signatures.Where(one => one.By != Notation && !OfSignature(engine, name, one.Tag, one.Manifest).Admits).ToArray();
        if (refused is not [{ By: var by }] || by == "cosign 2") yield break;
        yield return new(
            "policy.artifactTypes.ALLOWED_OCI_ARTIFACT_TYPES", "EVIDENCE_REFUSED",
            $"the list allows signatures of cosign 2, but those of {by} would be refused",
            policy.ArtifactTypes.Semantics == ArtifactTypeSemantics.Pairs
                ? "add presets: [images, helm, cosign] beside the list"
                : $"add \"application/vnd.oci.empty.v1+json: [{EvidenceTypes.Bundle}]\" to it");
    }

    private static Verdict OfSignature(PolicyEngine engine, RepositoryName name, TagName? tag, Manifest manifest) =>
        engine.Evaluate(new(name, tag, Stage.Push, Digest.Of("signature"u8), manifest, []) { Documents = ManifestKinds.Said([manifest]) });

    // Whether an authority of the rule signs with notation, or with cosign.
    private static bool Asks(RequireOptions require, TrustOptions trust, bool ofNotation) =>
        require.Signatures.Select(static one => one.Authority).Concat(require.Attestations.Select(static one => one.Authority))
            .Any(id => trust.Authorities[id].Notation is not null == ofNotation);

    private static IEnumerable<LintFinding> Whole(PolicyOptions policy)
    {
        if (policy.ArtifactTypes is { Semantics: ArtifactTypeSemantics.QuayOff } types
            && (policy.Rules.Length > 0 || types.Allowed is not null))
            yield return new(
                "policy.artifactTypes.semantics", "QUAY_OFF", "the list of artifact types is not enforced, as in Quay from 3.12",
                "use semantics: pairs or quay-union, or remove artifactTypes");
        if (policy.Default == Outcome.Deny && policy.Rules.All(static rule => Sample(rule) is null))
            yield return new(
                "policy.default", "DEFAULT_DENIES_ALL", "default: deny refuses everything without a rule, and there is no rule",
                "add a rule for the allowed content, or set default: allow");
        if (policy.Default != Outcome.Allow) yield break;
        foreach (var (i, rule) in policy.Rules.Index().Where(static one => SaysAllow(one.Item.Id)))
            yield return new(
                $"policy.rules[{i}].id", "DEFAULT_ALLOWS_REST",
                $"'{rule.Id}' adds nothing to default: allow: rules can only refuse",
                "set default: deny, or rename the rule after what it refuses");
    }

    private static bool SaysAllow(string id) =>
        id.Split('-', '_', '.', ' ').Any(static word =>
            word.ToLowerInvariant() is "allow" or "allowed" or "permit" or "only" or "whitelist" or "allowlist");

    // The stages at which no rule matches an image of this repository, although one matches at another stage.
    private static string[] Uncovered(PolicyEngine engine, RepositoryName name, TagName? tag)
    {
        Stage[] stages = [Stage.Push, Stage.Tag, Stage.Pull];
        var bare = stages.Where(stage => engine.Evaluate(new(name, tag, stage, Subject, Image, [])).Reasons
            .Any(static reason => reason.Code == ReasonCodes.NoRuleDefault)).ToArray();
        return bare.Length == stages.Length ? [] : [.. bare.Select(static stage => stage.ToString().ToLowerInvariant())];
    }

    // A repository that the rule matches.
    private static RepositoryName? Sample(RuleOptions rule) =>
        GlobReach.Samples(rule.Repositories.FirstOrDefault("**"))
            .Select(static text => RepositoryName.TryParse(text, out RepositoryName name) ? name : (RepositoryName?)null)
            .FirstOrDefault(static name => name is not null);

    private static TagName? TagOf(RuleOptions rule) =>
        GlobReach.Samples(rule.IncludeTags.FirstOrDefault("latest"))
            .Select(static text => TagName.TryParse(text, out var tag) ? tag : (TagName?)null)
            .FirstOrDefault(static tag => tag is not null);
}
