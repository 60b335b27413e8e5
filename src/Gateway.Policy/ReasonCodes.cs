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

    /// <summary>Config and layers have more bytes than the rule allows.</summary>
    public const string LimitTotalBytes = "LIMIT_TOTAL_BYTES";

    /// <summary>A layer has more bytes than the rule allows.</summary>
    public const string LimitLayerBytes = "LIMIT_LAYER_BYTES";

    /// <summary>More layers than the rule allows.</summary>
    public const string LimitLayers = "LIMIT_LAYERS";

    /// <summary>Older than the rule allows.</summary>
    public const string LimitMaxAge = "LIMIT_MAX_AGE";

    /// <summary>Younger than the rule allows.</summary>
    public const string LimitMinAge = "LIMIT_MIN_AGE";

    /// <summary>Nothing that counts proves a time from which its age could be counted.</summary>
    public const string LimitAgeUnknown = "LIMIT_AGE_UNKNOWN";

    /// <summary>Bytes are not what their media type says.</summary>
    public const string MediaUntruthful = "MEDIA_UNTRUTHFUL";

    /// <summary>Bytes are encrypted, so that nobody here can say what they are.</summary>
    public const string MediaOpaque = "MEDIA_OPAQUE";

    /// <summary>A layer is not the one that the image's config names.</summary>
    public const string LayerDigest = "LAYER_DIGEST";

    /// <summary>A platform is missing that the rule asks for.</summary>
    public const string PlatformMissing = "PLATFORM_MISSING";

    /// <summary>An operating system that the rule does not allow, or that nobody knows.</summary>
    public const string PlatformOs = "PLATFORM_OS";

    /// <summary>An index says another platform of an image than the image's config.</summary>
    public const string PlatformMismatch = "PLATFORM_MISMATCH";

    /// <summary>An annotation or label is missing.</summary>
    public const string AnnotationMissing = "ANNOTATION_MISSING";

    /// <summary>An annotation or label says something else than the rule asks for.</summary>
    public const string AnnotationMismatch = "ANNOTATION_MISMATCH";

    /// <summary>The tag is bound to another manifest, and does not move.</summary>
    public const string TagImmutable = "TAG_IMMUTABLE";

    /// <summary>The tag would go back to a lower version, or to none.</summary>
    public const string TagVersionLower = "TAG_VERSION_LOWER";

    /// <summary>The tag is for evidence, and this is none.</summary>
    public const string TagReserved = "TAG_RESERVED";

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

    /// <summary>It is about a manifest that pullers may not have: it is shown when that is.</summary>
    public const string SubjectHeld = "SUBJECT_HELD";

    /// <summary>Evidence could not be looked for or read: whether there is any is not known now.</summary>
    public const string EvidenceUnavailable = "EVIDENCE_UNAVAILABLE";

    /// <summary>A config or a layer could not be read, or not yet: what it says is not known now.</summary>
    public const string ContentUnavailable = "CONTENT_UNAVAILABLE";

    /// <summary>The trusted root is older than its <c>maxAge</c>.</summary>
    public const string TrustStale = "TRUST_STALE";
}
