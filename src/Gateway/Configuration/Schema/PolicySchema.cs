using System.Collections.Immutable;
using Gateway.Policy;
using Gateway.Policy.Signatures;

namespace Gateway.Configuration;

/// <summary>
/// The <c>policy</c> section, key by key as in the policy model. Keys that are not enforced yet are refused, not ignored.
/// </summary>
internal static class PolicySchema
{
    /// <summary>
    /// The distribution-spec requires at least 4 MiB; no client writes manifests above 32 MiB.
    /// </summary>
    private static readonly Scalar<long> ManifestBytes = Scalars.SizeWithin(4L << 20, 32L << 20);

    private static readonly Section<ImmutableArray<string>> ForeignHosts = new(() => [])
    {
        {
            "allowHosts", new ListOf<string>(Addresses.Host), new Required(),
            "Allowed hosts of such layers; https only. The gateway never fetches these layers.", (_, v) => v
        },
    };

    private static readonly SettingType<bool> BothAlgorithms = new Converted<ImmutableArray<string>, bool>(
        new ListOf<string>(Scalars.OneOf(("sha256", "sha256"), ("sha512", "sha512"))),
        names => names.Distinct().Count() == 2 ? true : Parsed<bool>.Not("expected [sha256, sha512]; this version has no other choice"));

    private static readonly Section<ParserOptions> Parser = new(() => new())
    {
        {
            "maxManifestBytes", ManifestBytes, "4MiB",
            "Maximum size of a document.", (o, v) => o with { Limits = o.Limits with { MaxBytes = (int)v } }
        },
        {
            "maxDepth", Scalars.Whole(4, 64), "32",
            "Maximum nesting of its JSON.", (o, v) => o with { Limits = o.Limits with { MaxDepth = v } }
        },
        {
            "maxDescriptors", Scalars.Whole(1, 100_000), "2000",
            "Maximum descriptors in it.", (o, v) => o with { Limits = o.Limits with { MaxDescriptors = v } }
        },
        {
            "maxAnnotationsBytes", Scalars.SizeWithin(0, 32L << 20), "256KiB", "Maximum bytes of annotations in it.",
            (o, v) => o with { Limits = o.Limits with { MaxAnnotationBytes = (int)v } }
        },
        { "maxIndexDepth", Scalars.Whole(1, 8), "3", "Maximum nesting of indexes.", (o, v) => o with { MaxIndexDepth = v } },
        {
            "foreignLayers",
            new Either<ImmutableArray<string>>(Scalars.OneOf(("reject", ImmutableArray<string>.Empty)), ForeignHosts),
            "reject", "Layers with `urls`.", (o, v) => o with { ForeignLayerHosts = v }
        },
        {
            "duplicateKeys", Scalars.OneOf(("reject", true)), "reject",
            "Documents with a duplicate key, ignoring case.", (o, _) => o
        },
        { "ambiguous", Scalars.OneOf(("reject", true)), "reject", "Documents that can be read as two kinds.", (o, _) => o },
        { "schema1", Scalars.OneOf(("reject", true)), "reject", "Docker's schema 1.", (o, _) => o },
        { "inlineData", Scalars.OneOf(("verify", true)), "verify", "Content inside descriptors.", (o, _) => o },
        { "digestAlgorithms", BothAlgorithms, "[sha256, sha512]", "Accepted digest algorithms.", (o, _) => o },
    };

    private static readonly Section<ArtifactTypeOptions> ArtifactTypes = new(() => new())
    {
        {
            "semantics",
            Scalars.OneOf(
                ("pairs", ArtifactTypeSemantics.Pairs),
                ("quay-union", ArtifactTypeSemantics.QuayUnion),
                ("quay-off", ArtifactTypeSemantics.QuayOff)),
            "pairs",
            "`pairs`: a layer type must be listed under its own config type. `quay-union`: any listed config with any listed layer, "
            + "as in Quay up to 3.11. `quay-off`: the list is not enforced, as in Quay from 3.12.",
            (o, v) => o with { Semantics = v }
        },
        {
            "presets", new ListOf<ArtifactTypePreset>(Preset), "(Quay's defaults and the first six, if there is no list)",
            "Allowed groups of types; listed presets replace the defaults.", (o, v) => o with { Presets = v }
        },
        {
            "merge", Scalars.OneOf(("replace", false), ("extend", true)), "replace",
            "Whether the list replaces Quay's defaults, as in Quay, or extends them.", (o, v) => o with { Extend = v }
        },
        {
            "ALLOWED_OCI_ARTIFACT_TYPES",
            new MapOf<ImmutableArray<string>>(Scalars.MediaType, new ListOf<string>(Scalars.MediaType)),
            "(Quay's defaults)", "Config types, each with its layer types; the same setting as in Quay.",
            (o, v) => o with { Allowed = v }
        },
        {
            "FEATURE_GENERAL_OCI_SUPPORT", Scalars.Switch, "true",
            "Quay's switch: whether OCI types are accepted.", (o, v) => o with { GeneralOciSupport = v }
        },
        {
            "FEATURE_HELM_OCI_SUPPORT", Scalars.Switch, "true",
            "Quay's switch: whether Helm charts are allowed without an entry.", (o, v) => o with { HelmOciSupport = v }
        },
    };

    private static Scalar<ArtifactTypePreset> Preset => Scalars.OneOf(
        [.. Enum.GetValues<ArtifactTypePreset>().Select(static preset => (preset.ToString().ToLowerInvariant(), preset))]);

    // An error's detail has at most 1024 characters and contains the id twice.
    private const int MaxExplainUrl = 512;

    private static readonly Scalar<string> ExplainUrl = Scalars.Matching(
        "an http or https URL with {id} in it", text =>
            text.Length <= MaxExplainUrl && text.Contains("{id}", StringComparison.Ordinal)
            && Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && text.All(char.IsAscii));

    private static readonly Section<PolicyOptions> Errors = new(() => new() { Default = Outcome.Deny })
    {
        { "detail", Scalars.OneOf(("string", true)), "string", "Format of an error's detail.", (o, _) => o },
        {
            "explainUrl", ExplainUrl, "(this gateway's `/-/decisions/{id}`)", "Address that explains a refusal.",
            (o, v) => o with { ExplainUrl = v }
        },
    };

    private static readonly Section<QuarantineOptions> Quarantine = new(() => new(), CheckQuarantine)
    {
        { "pendingTtl", Scalars.Duration(), "24h", "How long a push is held.", (o, v) => o with { PendingTtl = v } },
        {
            "orphanEvidenceTtl", Scalars.Duration(), "24h", "How long signatures and attestations wait for their subject.",
            (o, v) => o with { OrphanEvidenceTtl = v }
        },
        {
            "maxPendingPerRepo", Scalars.Whole(1, 10_000), "200", "Maximum held pushes in one repository.",
            (o, v) => o with { MaxPendingPerRepo = v }
        },
        {
            "maxReferrersPerSubject", Scalars.Whole(1, 10_000), "1000",
            "Maximum signatures, attestations and other referrers of one manifest.", (o, v) => o with { MaxReferrersPerSubject = v }
        },
        {
            "maxOrphansPerRepo", Scalars.Whole(1, 10_000), "1000", "Maximum referrers in one repository whose subject is missing.",
            (o, v) => o with { MaxOrphansPerRepo = v }
        },
        { "visibleTo", new ListOf<bool>(Scalars.OneOf(("push", true))), "[push]", "Who sees held pushes: pushers.", (o, _) => o },
    };

    private static void CheckQuarantine(QuarantineOptions quarantine, string path, Reading reading)
    {
        // No signer is faster than a minute.
        foreach (var (key, value) in new[] { ("pendingTtl", quarantine.PendingTtl), ("orphanEvidenceTtl", quarantine.OrphanEvidenceTtl) })
        {
            if (value < TimeSpan.FromMinutes(1) || value > TimeSpan.FromDays(365))
                reading.Add($"{path}.{key}", "expected 1m to 365d");
        }
    }

    public static readonly Section<PolicyOptions> Policy = new(() => new() { Default = Outcome.Deny }, CheckPolicy)
    {
        {
            "default", Scalars.OneOf(("allow", Outcome.Allow), ("deny", Outcome.Deny)), new Required(),
            "Outcome if no rule matches.", (o, v) => o with { Default = v }
        },
        { "parser", Parser, "{}", "Limits of every document, before any rule.", (o, v) => o with { Parser = v } },
        {
            "artifactTypes", ArtifactTypes, "(every type)",
            "Allowed artifact types. Enforced everywhere, unless a rule requires it somewhere.",
            (o, v) => o with { ArtifactTypes = v }
        },
        { "trust", TrustSchema.Trust, "{}", "Whose signatures count.", (o, v) => o with { Trust = v } },
        {
            "rules", new ListOf<RuleOptions>(RuleSchema.Rule), "[]",
            "Every rule that matches applies; the worst outcome wins.", (o, v) => o with { Rules = v }
        },
        { "apiVersion", Scalars.OneOf(("gateway.policy/v1", true)), "gateway.policy/v1", "Version of this section's format.", (o, _) => o },
        { "revision", Scalars.OneOf(("auto", true)), "auto", "Computed from the policy, shown in every decision.", (o, _) => o },
        { "errors", Errors, "{}", "Format of refusals.", (o, v) => o with { ExplainUrl = v.ExplainUrl } },
        {
            "exceptions", new ListOf<ExceptionOptions>(ExceptionSchema.Exception), "[]",
            "Named, dated exceptions from rules; each appears in the decisions that it changes.", (o, v) => o with { Exceptions = v }
        },
        { "quarantine", Quarantine, "{}", "Limits of held pushes and orphaned evidence.", (o, v) => o with { Quarantine = v } },
    };

    private static void CheckPolicy(PolicyOptions policy, string path, Reading reading)
    {
        CheckIds(policy.Rules.Select(static rule => rule.Id), $"{path}.rules", "rule", reading);
        CheckIds(policy.Exceptions.Select(static exception => exception.Id), $"{path}.exceptions", "exception", reading);
        if (policy.ArtifactTypes is null && policy.Rules.Any(static rule => rule.Require.ArtifactTypes))
        {
            reading.Add(
                $"{path}.rules", "require artifactTypes, but policy.artifactTypes is missing; add artifactTypes: {} for Quay's defaults");
        }
        if (policy.ArtifactTypes is { Presets: not null, Semantics: not ArtifactTypeSemantics.Pairs })
        {
            reading.Add(
                $"{path}.artifactTypes.presets", "presets need semantics: pairs; Quay's semantics follow Quay's list: remove presets");
        }
        CheckAuthorities(policy, path, reading);
        if (reading.IsSound(path)) CheckAges(policy, path, reading);
        // A list that no rule requires is a rule of that name.
        string[] rules = [.. policy.Rules.Select(static rule => rule.Id), .. policy.ArtifactTypes is null ? [] : new[] { "artifactTypes" }];
        for (var i = 0; i < policy.Exceptions.Length; i++)
        {
            var rule = policy.Exceptions[i].Rule;
            if (!rules.Contains(rule))
                reading.Add($"{path}.exceptions[{i}].rule", $"'{rule}' is not the id of a rule{NearestName.Hint(rule, rules)}");
        }
    }

    private static void CheckAuthorities(PolicyOptions policy, string path, Reading reading)
    {
        for (var i = 0; i < policy.Rules.Length; i++)
        {
            var require = policy.Rules[i].Require;
            Check(require.Signatures.Select(static one => one.Authority), $"{path}.rules[{i}].require.signatures");
            Check(require.Attestations.Select(static one => one.Authority), $"{path}.rules[{i}].require.attestations");
        }

        void Check(IEnumerable<string> authorities, string place)
        {
            foreach (var (i, name) in authorities.Index().Where(one => !policy.Trust.Authorities.ContainsKey(one.Item)))
            {
                reading.Add(
                    $"{place}[{i}].authority",
                    $"'{name}' is not an authority of policy.trust{NearestName.Hint(name, policy.Trust.Authorities.Keys)}");
            }
        }
    }

    // A rule with an age that nothing can prove refuses everything, which is certainly a mistake.
    private static void CheckAges(PolicyOptions policy, string path, Reading reading)
    {
        foreach (var (i, rule) in policy.Rules.Index().Where(static one => one.Item.Require.Limits?.AgeFrom == AgeStart.Attested))
        {
            string[] asked =
            [
                .. rule.Require.Signatures.Select(static one => one.Authority)
                    .Concat(rule.Require.Attestations.Select(static one => one.Authority)).Distinct(),
            ];
            if (asked.Any(name => policy.Trust.ProvesTimes(policy.Trust.Authorities[name]))) continue;
            var why = asked.Length == 0
                ? "the rule requires no signature and no attestation; add signatures: [{ authority: … }] to it"
                : $"nothing proves when {string.Join(", ", asked)} signed; {AdviceFor(policy.Trust.Authorities[asked[0]])}";
            reading.Add(
                $"{path}.rules[{i}].require.limits.ageFrom",
                $"attested uses times that the rule's own evidence proves, but {why}, or write ageFrom: firstSeen");
        }
    }

    private static string AdviceFor(AuthorityOptions authority) => authority switch
    {
        { Notation: { } notation } => $"add the roots of time stampers to policy.trust.notation.{notation.Store}.tsa",
        { Keyless: { } keyless } =>
            $"use a policy.trust.keyless.{keyless.Root} with tlogs, and not tlog: ignore, or with timestampAuthorities",
        _ => "add a trusted_root.json with tlogs, and not tlog: ignore, or with timestampAuthorities under policy.trust.keyless",
    };

    private static void CheckIds(IEnumerable<string> ids, string path, string noun, Reading reading)
    {
        var earlier = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (i, id) in ids.Index())
        {
            if (!earlier.Add(id)) reading.Add($"{path}[{i}].id", $"'{id}' is already the id of an earlier {noun}; use another id");
        }
    }
}
