using System.Text.Json;
using Gateway.Policy;
using Gateway.Policy.Signatures;

namespace Gateway.Commands.Policy;

/// <summary>Likely mistakes in rules, alone and compared with other rules.</summary>
internal static class LintRules
{
    /// <param name="proxied">Prefixes whose content comes from an upstream, so clients do not push there.</param>
    public static IEnumerable<LintFinding> Of(PolicyOptions policy, IReadOnlyCollection<string> proxied) =>
        policy.Rules.Index().SelectMany(one =>
            Reach(one.Item, $"policy.rules[{one.Index}]")
                .Concat(Required(one.Item, $"policy.rules[{one.Index}]", policy))
                .Concat(Signing(one.Item, $"policy.rules[{one.Index}]", proxied))
                .Concat(Beside(one.Item, one.Index, policy)));

    private static IEnumerable<LintFinding> Reach(RuleOptions rule, string path)
    {
        foreach (var pattern in rule.Repositories)
        {
            if (LintPatterns.ProblemOf(pattern) is var (what, fix)) yield return new($"{path}.match.repos", "RULE_NEVER", what, fix);
        }
        foreach (var tag in rule.IncludeTags.Where(static tag => tag.AsSpan().ContainsAny('/', ':', '@')))
            yield return new(
                $"{path}.match.tags", "RULE_NEVER", $"'{tag}' matches no tag", "write only the tag; repositories belong to repos");
        if (!rule.ExcludeTags.IsEmpty && GlobReach.Covers(rule.ExcludeTags, [.. rule.IncludeTags.DefaultIfEmpty("**")]))
            yield return new($"{path}.match.tags", "RULE_NEVER", "exclude matches every included tag", "make exclude narrower");
        if (rule.Stages is [Stage.ProxyFetch] && rule.Require.TagMutability != TagMutability.Mutable)
            yield return new($"{path}.match.stages", "RULE_NEVER", "moving tags are detected only at the stage tag", "add the stage tag");
    }

    private static IEnumerable<LintFinding> Required(RuleOptions rule, string path, PolicyOptions policy)
    {
        var require = rule.Require;
        foreach (var finding in NeverApplied(rule, path)) yield return finding;
        foreach (var finding in require.Signatures.Index()
            .SelectMany(each => OfSignature(each.Item, $"{path}.require.signatures[{each.Index}]", policy.Trust)))
            yield return finding;
        foreach (var finding in require.Attestations.Index()
            .SelectMany(each => OfAttestation(each.Item, $"{path}.require.attestations[{each.Index}]", policy.Trust)))
            yield return finding;
        if (require.ArtifactTypes && policy.ArtifactTypes?.Semantics == ArtifactTypeSemantics.QuayOff)
            yield return new(
                $"{path}.require.artifactTypes", "QUAY_OFF", "semantics: quay-off allows every type, so this has no effect",
                "use semantics: pairs or quay-union");
    }

    // Requirements that never apply to what the rule matches.
    private static IEnumerable<LintFinding> NeverApplied(RuleOptions rule, string path)
    {
        if (rule.Kinds.All(static kind => kind == ManifestKind.Evidence) && AsksForEvidence(rule))
            yield return new(
                $"{path}.match.kinds", "RULE_NEVER", "evidence never needs signatures or attestations",
                "add image, index or artifact");
        if (rule.Require.Platforms is not null && !rule.Kinds.Any(static kind => kind is ManifestKind.Image or ManifestKind.Index))
            yield return new($"{path}.match.kinds", "RULE_NEVER", "only images and indexes have platforms", "add image or index");
        if (rule.Require.Limits?.MinAge is not null && rule.Stages.Length > 0
            && !rule.Stages.Any(static stage => stage is Stage.Pull or Stage.ProxyFetch))
            yield return new(
                $"{path}.match.stages", "RULE_NEVER", "minAge applies only at proxyFetch and pull", "add one of these stages");
    }

    private static IEnumerable<LintFinding> OfSignature(SignatureRequirementOptions signature, string place, TrustOptions trust)
    {
        if (TooFewSigners(signature.Authority, signature.AtLeast, place, trust) is { } few) yield return few;
        var byNotation = trust.Authorities[signature.Authority].Notation is not null;
        if (!signature.Formats.IsEmpty && byNotation != signature.Formats.Contains(SignatureFormat.Notation))
            yield return new(
                $"{place}.formats", "NEVER_SATISFIED", $"{signature.Authority} uses none of these formats",
                "remove formats, because the authority determines the tool");
        if (signature.BindReference != BindReference.Required) yield break;
        if (byNotation)
            yield return new(
                $"{place}.bindReference", "NEVER_SATISFIED", "a Notation signature names no repository", "remove bindReference");
        if (signature.Formats is [SignatureFormat.Bundle])
            yield return new(
                $"{place}.bindReference", "NEVER_SATISFIED", "a bundle names no repository",
                "use bindReference: optional, or add legacy to formats");
        if (signature.Formats.IsEmpty && !byNotation)
            yield return new(
                $"{place}.bindReference", "BUNDLES_NEVER_COUNT", "cosign 3 writes bundles, which name no repository",
                "use bindReference: optional, or sign with --new-bundle-format=false");
    }

    private static IEnumerable<LintFinding> OfAttestation(AttestationRequirementOptions attestation, string place, TrustOptions trust)
    {
        if (TooFewSigners(attestation.Authority, attestation.AtLeast, place, trust) is { } few) yield return few;
        if (trust.Authorities[attestation.Authority].Notation is not null)
            yield return new(
                $"{place}.authority", "NEVER_SATISFIED", "a Notation authority makes no attestations",
                "use an authority with keys or keyless, or require a signature");
        if (!attestation.PredicateType.Contains("://", StringComparison.Ordinal))
            yield return new(
                $"{place}.predicateType", "PREDICATE_SHORT",
                $"'{attestation.PredicateType}' is not a URI; types are compared exactly, and cosign's short names do not match",
                "write the URI, such as https://slsa.dev/provenance/v1");
    }

    /// <summary>
    /// Problems of a gateway without accounts: the pusher is a puller too, and cannot see unsigned images.
    /// </summary>
    public static IEnumerable<LintFinding> OfOpenGateway(PolicyOptions policy, IReadOnlyCollection<string> proxied)
    {
        foreach (var (i, rule) in policy.Rules.Index().Where(one => HoldsBack(one.Item, proxied) && one.Item.OnMissing != OnMissing.Warn))
        {
            if (rule.Stages.IsEmpty || rule.Stages.Contains(Stage.Pull))
                yield return new(
                    $"policy.rules[{i}]", "SIGNER_UNKNOWN",
                    "without an access section there are no pushers, so cosign cannot see the image that it signs",
                    "add access with an account for the signer");
        }
    }

    // Whether the rule hides unsigned pushed images.
    private static bool HoldsBack(RuleOptions rule, IReadOnlyCollection<string> proxied) =>
        AsksForEvidence(rule) && rule.Mode == RuleMode.Enforce && !RuleNamesTags(rule)
        && (rule.Repositories.IsEmpty
            || rule.Repositories.Any(pattern => !proxied.Any(prefix => pattern.StartsWith(prefix + "/", StringComparison.Ordinal))));

    private static bool AsksForEvidence(RuleOptions rule) => !rule.Require.Signatures.IsEmpty || !rule.Require.Attestations.IsEmpty;

    private static IEnumerable<LintFinding> Signing(RuleOptions rule, string path, IReadOnlyCollection<string> proxied)
    {
        if (HoldsBack(rule, proxied) && rule.OnMissing == OnMissing.Deny && (rule.Stages.IsEmpty || rule.Stages.Contains(Stage.Push)))
            yield return new(
                path, "SIGN_BLOCKED", "cosign 3 signs stored images, and this rule refuses to store unsigned ones",
                "use onMissing: quarantine, or stages: [tag, pull]");
        if (!AsksForEvidence(rule) && rule.OnMissing != OnMissing.Deny)
            yield return new(
                $"{path}.onMissing", "ON_MISSING_IDLE", "no requirement of this rule can be missing",
                "remove onMissing; use mode: warn to admit with a warning");
    }

    // Another rule with the same requirements and a wider match makes this rule redundant.
    private static IEnumerable<LintFinding> Beside(RuleOptions rule, int index, PolicyOptions policy)
    {
        foreach (var (other, wider) in policy.Rules.Index())
        {
            if (other == index || wider.Mode > rule.Mode || !Says(wider, rule)) continue;
            // Of two equal rules, the later one is reported.
            if (Says(rule, wider) && wider.Mode == rule.Mode && other > index) continue;
            yield return new(
                $"policy.rules[{index}]", "RULE_SHADOWED", $"rule '{wider.Id}' requires the same of at least the same content",
                "remove one of the two");
            yield break;
        }
    }

    private static bool Says(RuleOptions wide, RuleOptions narrow) =>
        wide.ExceptRepositories.IsEmpty && GlobReach.Covers(wide.Repositories, narrow.Repositories)
        && (!RuleNamesTags(wide)
            || (wide.ExcludeTags.IsEmpty && RuleNamesTags(narrow) && GlobReach.Covers(wide.IncludeTags, narrow.IncludeTags)))
        && (wide.Stages.IsEmpty || (!narrow.Stages.IsEmpty && narrow.Stages.All(wide.Stages.Contains)))
        && narrow.Kinds.All(wide.Kinds.Contains)
        && (wide.OnMissing == narrow.OnMissing || wide.OnMissing == OnMissing.Deny)
        && JsonSerializer.Serialize(wide.Require) == JsonSerializer.Serialize(narrow.Require);

    private static LintFinding? TooFewSigners(string id, int atLeast, string place, TrustOptions trust)
    {
        var authority = trust.Authorities[id];
        if (authority.Notation is not null) return null; // the number of signers depends on the certificates that its authorities issue
        var have = authority.Keyless is { } keyless
            ? keyless.Subject is null ? int.MaxValue : 1
            : authority.AnyOf.Select(key => trust.Keys[key].Key.Fingerprint).Distinct().Count();
        return have >= atLeast ? null : new(
            $"{place}.atLeast", "NEVER_SATISFIED", $"{atLeast} signers are required, and the authority has {have}",
            "lower atLeast, or add keys to the authority");
    }

    private static bool RuleNamesTags(RuleOptions rule) => !rule.IncludeTags.IsEmpty || !rule.ExcludeTags.IsEmpty;
}
