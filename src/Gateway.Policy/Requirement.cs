using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>What one requirement finds wrong with one manifest.</summary>
/// <param name="Code">One of <see cref="ReasonCodes"/>.</param>
/// <param name="What">What was found, as the start of a sentence.</param>
/// <param name="Fix">What to do about it.</param>
internal sealed record Finding(string Code, string What, string Fix)
{
    // Enough hex to find the child by.
    private const int ShortDigest = 19;

    /// <summary>The same, told by the index above.</summary>
    public Finding AtChild(Digest child) => new(ReasonCodes.ChildDenied, $"child {child.ToString()[..ShortDigest]}: {What}", Fix);
}

/// <summary>Checks single manifests; the engine asks it of an index and of all below it.</summary>
internal interface IRequirement
{
    /// <summary>What is wrong with this manifest in this repository; empty when nothing is.</summary>
    IEnumerable<Finding> Check(Manifest manifest, RepositoryName repository, Stage stage);
}
