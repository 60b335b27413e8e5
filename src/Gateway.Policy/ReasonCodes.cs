namespace Gateway.Policy;

/// <summary>The codes of <see cref="Reason"/>. Stable: tools match on them; docs/policy.md lists them.</summary>
public static class ReasonCodes
{
    /// <summary>The config's type is no key of the allowlist.</summary>
    public const string TypeConfigNotAllowed = "TYPE_CONFIG_NOT_ALLOWED";

    /// <summary>A layer's type is not listed for this artifact.</summary>
    public const string TypeLayerNotAllowed = "TYPE_LAYER_NOT_ALLOWED";

    /// <summary>The artifact type is no key of the allowlist, or OCI documents are switched off.</summary>
    public const string TypeArtifactNotAllowed = "TYPE_ARTIFACT_NOT_ALLOWED";

    /// <summary>Content has <c>urls</c> that the policy does not allow.</summary>
    public const string ForeignLayer = "FOREIGN_LAYER";

    /// <summary>Indexes nested too deep, or too many manifests below one index.</summary>
    public const string LimitIndex = "LIMIT_INDEX";

    /// <summary>A manifest below the index is refused.</summary>
    public const string ChildDenied = "CHILD_DENIED";

    /// <summary>No rule matches, and the policy's default is to deny.</summary>
    public const string NoRuleDefault = "NO_RULE_DEFAULT";

    /// <summary>There is no signature at all.</summary>
    public const string SigNone = "SIG_NONE";

    /// <summary>There are signatures, none by whom the rule asks for.</summary>
    public const string SigNoTrusted = "SIG_NO_TRUSTED";

    /// <summary>A signature that cannot be read, or that no key of the authority made.</summary>
    public const string SigBad = "SIG_BAD";

    /// <summary>A good signature of another manifest.</summary>
    public const string SigWrongDigest = "SIG_WRONG_DIGEST";

    /// <summary>A good signature made for another repository, or for none where the rule asks for one.</summary>
    public const string SigWrongReference = "SIG_WRONG_REFERENCE";

    /// <summary>A good statement of another kind: an attestation is no signature.</summary>
    public const string SigWrongPredicate = "SIG_WRONG_PREDICATE";

    /// <summary>Seen first after its key was retired.</summary>
    public const string SigKeyRetired = "SIG_KEY_RETIRED";

    /// <summary>Made by a key that is revoked.</summary>
    public const string SigKeyRevoked = "SIG_KEY_REVOKED";

    /// <summary>An entry of a transparency log that is missing, wrong, or of another signature.</summary>
    public const string SigTlogInvalid = "SIG_TLOG_INVALID";

    /// <summary>Made when its key or certificate did not hold, or at a time that nothing proves.</summary>
    public const string SigTimeInvalid = "SIG_TIME_INVALID";

    /// <summary>There is no attestation of this predicate type.</summary>
    public const string AttNone = "ATT_NONE";

    /// <summary>An attestation that does not say what the rule asks for.</summary>
    public const string AttPredicateFailed = "ATT_PREDICATE_FAILED";

    /// <summary>An image of the index is not signed.</summary>
    public const string CoverageChildUnsigned = "COVERAGE_CHILD_UNSIGNED";

    /// <summary>Too much evidence to read, and none that satisfies the rule in what was read.</summary>
    public const string EvidenceBudget = "EVIDENCE_BUDGET";

    /// <summary>The trusted root is older than its <c>maxAge</c>.</summary>
    public const string TrustStale = "TRUST_STALE";
}
