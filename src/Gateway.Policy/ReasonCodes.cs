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
}
