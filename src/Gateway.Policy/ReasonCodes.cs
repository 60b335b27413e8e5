namespace Gateway.Policy;

/// <summary>The codes of <see cref="Reason"/>. Stable: tools match on them; docs/policy.md lists them.</summary>
public static class ReasonCodes
{
    /// <summary>The config type is not a key of the allowlist.</summary>
    public const string TypeConfigNotAllowed = "TYPE_CONFIG_NOT_ALLOWED";

    /// <summary>A layer type is not listed for this artifact type.</summary>
    public const string TypeLayerNotAllowed = "TYPE_LAYER_NOT_ALLOWED";

    /// <summary>The artifact type is not a key of the allowlist, or OCI documents are disabled.</summary>
    public const string TypeArtifactNotAllowed = "TYPE_ARTIFACT_NOT_ALLOWED";

    /// <summary>Content has <c>urls</c> that the policy does not allow.</summary>
    public const string ForeignLayer = "FOREIGN_LAYER";

    /// <summary>Indexes are nested too deeply, or too many manifests are below one index.</summary>
    public const string LimitIndex = "LIMIT_INDEX";

    /// <summary>Config and layers are larger than the rule allows.</summary>
    public const string LimitTotalBytes = "LIMIT_TOTAL_BYTES";

    /// <summary>A layer is larger than the rule allows.</summary>
    public const string LimitLayerBytes = "LIMIT_LAYER_BYTES";

    /// <summary>More layers than the rule allows.</summary>
    public const string LimitLayers = "LIMIT_LAYERS";

    /// <summary>Older than the rule allows.</summary>
    public const string LimitMaxAge = "LIMIT_MAX_AGE";

    /// <summary>Younger than the rule allows.</summary>
    public const string LimitMinAge = "LIMIT_MIN_AGE";

    /// <summary>No counting evidence proves a time from which the age could be computed.</summary>
    public const string LimitAgeUnknown = "LIMIT_AGE_UNKNOWN";

    /// <summary>The bytes are not what their media type says.</summary>
    public const string MediaUntruthful = "MEDIA_UNTRUTHFUL";

    /// <summary>The bytes are encrypted, so the gateway cannot check them.</summary>
    public const string MediaOpaque = "MEDIA_OPAQUE";

    /// <summary>A layer is not the one that the config of the image names.</summary>
    public const string LayerDigest = "LAYER_DIGEST";

    /// <summary>A platform that the rule requires is missing.</summary>
    public const string PlatformMissing = "PLATFORM_MISSING";

    /// <summary>An operating system that the rule does not allow, or an unknown one.</summary>
    public const string PlatformOs = "PLATFORM_OS";

    /// <summary>The index states another platform for an image than the config of the image.</summary>
    public const string PlatformMismatch = "PLATFORM_MISMATCH";

    /// <summary>An annotation or label is missing.</summary>
    public const string AnnotationMissing = "ANNOTATION_MISSING";

    /// <summary>An annotation or label has another value than the rule requires.</summary>
    public const string AnnotationMismatch = "ANNOTATION_MISMATCH";

    /// <summary>The tag is bound to another manifest and cannot move.</summary>
    public const string TagImmutable = "TAG_IMMUTABLE";

    /// <summary>The tag would move to a lower version, or to a manifest without a version.</summary>
    public const string TagVersionLower = "TAG_VERSION_LOWER";

    /// <summary>The tag is reserved for evidence, and this manifest is not evidence.</summary>
    public const string TagReserved = "TAG_RESERVED";

    /// <summary>A manifest below the index is refused.</summary>
    public const string ChildDenied = "CHILD_DENIED";

    /// <summary>No rule matches, and the policy denies by default.</summary>
    public const string NoRuleDefault = "NO_RULE_DEFAULT";

    /// <summary>There is no signature.</summary>
    public const string SigNone = "SIG_NONE";

    /// <summary>There are signatures, but none by the required authority.</summary>
    public const string SigNoTrusted = "SIG_NO_TRUSTED";

    /// <summary>A signature cannot be read, or no key of the authority made it.</summary>
    public const string SigBad = "SIG_BAD";

    /// <summary>A valid signature of another manifest.</summary>
    public const string SigWrongDigest = "SIG_WRONG_DIGEST";

    /// <summary>A valid signature for another repository, or for none when the rule requires one.</summary>
    public const string SigWrongReference = "SIG_WRONG_REFERENCE";

    /// <summary>A valid statement of another kind: an attestation is not a signature.</summary>
    public const string SigWrongPredicate = "SIG_WRONG_PREDICATE";

    /// <summary>First seen after its key was retired.</summary>
    public const string SigKeyRetired = "SIG_KEY_RETIRED";

    /// <summary>Made by a revoked key.</summary>
    public const string SigKeyRevoked = "SIG_KEY_REVOKED";

    /// <summary>A transparency log entry is missing, invalid, or about another signature.</summary>
    public const string SigTlogInvalid = "SIG_TLOG_INVALID";

    /// <summary>Made while its key or certificate was not valid, or at an unproven time.</summary>
    public const string SigTimeInvalid = "SIG_TIME_INVALID";

    /// <summary>There is no attestation of this predicate type.</summary>
    public const string AttNone = "ATT_NONE";

    /// <summary>An attestation does not state what the rule requires.</summary>
    public const string AttPredicateFailed = "ATT_PREDICATE_FAILED";

    /// <summary>An image of the index is not signed.</summary>
    public const string CoverageChildUnsigned = "COVERAGE_CHILD_UNSIGNED";

    /// <summary>There is more evidence than the budget allows to read, and what was read does not satisfy the rule.</summary>
    public const string EvidenceBudget = "EVIDENCE_BUDGET";

    /// <summary>The evidence is about a manifest that pullers cannot see; it becomes visible with that manifest.</summary>
    public const string SubjectHeld = "SUBJECT_HELD";

    /// <summary>Evidence could not be listed or read: whether there is any is unknown now.</summary>
    public const string EvidenceUnavailable = "EVIDENCE_UNAVAILABLE";

    /// <summary>A config or a layer could not be read, or is not read yet: its content is unknown now.</summary>
    public const string ContentUnavailable = "CONTENT_UNAVAILABLE";

    /// <summary>The trusted root is older than its <c>maxAge</c>.</summary>
    public const string TrustStale = "TRUST_STALE";
}
