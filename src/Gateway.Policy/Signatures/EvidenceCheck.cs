using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy.Signatures;

/// <summary>What came of one requirement asked of one subject.</summary>
/// <param name="Code">One of <see cref="ReasonCodes"/>, the one that says most; null when the requirement is satisfied.</param>
/// <param name="Why">One printable line: what is missing, and why what is there does not count.</param>
/// <param name="Findings">Every signature that was looked at.</param>
internal sealed record EvidenceCheck(string? Code, string Why, ImmutableArray<EvidenceFinding> Findings)
{
    /// <summary>Whether there was more than could be looked at; said only where all of it was asked about.</summary>
    public bool IsCut { get; init; }

    /// <summary>The image below an index that lacks it; empty where that is what was asked about.</summary>
    public Digest Image { get; init; }

    /// <summary>Whether the requirement is satisfied.</summary>
    public bool IsSatisfied => Code is null;
}

/// <summary>One signature that was looked at, or evidence that could not be read.</summary>
/// <param name="Evidence">The manifest that it was found in.</param>
/// <param name="Layer">Which of the manifest's layers, from 0.</param>
/// <param name="Format">How it is stored; null when it could not be read.</param>
/// <param name="Result">What came of it.</param>
internal sealed record EvidenceFinding(Digest Evidence, int Layer, SignatureFormat? Format, Checked Result)
{
    /// <summary><see cref="Signatures.Evidence.Repository"/> of the manifest.</summary>
    public RepositoryName? Repository { get; init; }
}
