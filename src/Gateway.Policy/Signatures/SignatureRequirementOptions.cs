namespace Gateway.Policy.Signatures;

/// <summary>Whether a signature must have been made for the repository that contains it.</summary>
public enum BindReference
{
    /// <summary>Not checked, as in cosign: a copy or a promotion keeps its signatures.</summary>
    Ignore,

    /// <summary>Checked when the signature names a repository (simple signing can, bundles cannot).</summary>
    Optional,

    /// <summary>The signature must name the repository; bundles never satisfy this.</summary>
    Required,
}

/// <summary>Which manifests of an index must be signed.</summary>
public enum IndexCoverage
{
    /// <summary>The index, or each of its images.</summary>
    Either,

    /// <summary>The index; its images are admitted with it.</summary>
    Index,

    /// <summary>Each of its images.</summary>
    Children,

    /// <summary>The index and each of its images.</summary>
    Both,
}

/// <summary>One item of a rule's <c>require.signatures</c>.</summary>
public sealed record SignatureRequirementOptions(string Authority)
{
    /// <summary>How many different signers of the authority are needed; at least 1.</summary>
    public int AtLeast { get; init; } = 1;

    /// <summary>Formats that count; empty for all.</summary>
    public ImmutableArray<SignatureFormat> Formats { get; init; } = [];

    /// <summary>Whether the signature must be made for this repository.</summary>
    public BindReference BindReference { get; init; } = BindReference.Ignore;

    /// <summary>Which manifests of an index must be signed.</summary>
    public IndexCoverage Coverage { get; init; } = IndexCoverage.Either;
}

/// <summary>One item of a rule's <c>require.attestations</c>.</summary>
/// <param name="PredicateType">The predicate's type, compared exactly.</param>
public sealed record AttestationRequirementOptions(string PredicateType, string Authority)
{
    /// <summary>How many different signers of the authority are needed; at least 1.</summary>
    public int AtLeast { get; init; } = 1;

    /// <summary>Conditions on the predicate; one attestation must meet all.</summary>
    public ImmutableArray<PredicateCondition> Where { get; init; } = [];

    /// <summary>Which manifests of an index must be attested.</summary>
    public IndexCoverage Coverage { get; init; } = IndexCoverage.Either;
}

/// <summary>One entry of <c>where</c>: a path in the predicate and the required value.</summary>
/// <param name="Path">The path, as <see cref="PredicatePath"/> reads it, such as
/// <c>$.buildDefinition.externalParameters.workflow.ref</c>.</param>
/// <param name="Is">The required value; numbers, true and false as the predicate writes them.</param>
public sealed record PredicateCondition(string Path, TextCondition Is);
