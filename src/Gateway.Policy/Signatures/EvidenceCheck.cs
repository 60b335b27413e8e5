namespace Gateway.Policy.Signatures;

/// <summary>The result of checking one requirement for one subject.</summary>
/// <param name="Code">The most specific of the <see cref="ReasonCodes"/>; null when the requirement is satisfied.</param>
/// <param name="Why">One printable line: what is missing, and why the existing evidence does not count.</param>
/// <param name="Findings">Every signature that was checked.</param>
internal sealed record EvidenceCheck(string? Code, string Why, ImmutableArray<EvidenceFinding> Findings)
{
    /// <summary>Whether there was more evidence than could be read; set only when all of it was requested.</summary>
    public bool IsCut { get; init; }

    /// <summary>The image below an index that lacks the evidence; empty when it is the evaluated manifest.</summary>
    public Digest Image { get; init; }

    /// <summary>Whether the requirement is satisfied.</summary>
    public bool IsSatisfied => Code is null;
}

/// <summary>One signature that was checked, or evidence that could not be read.</summary>
/// <param name="Layer">Position of its layer in the manifest, from 0.</param>
/// <param name="Format">Its format; null when it could not be read.</param>
internal sealed record EvidenceFinding(Digest Evidence, int Layer, SignatureFormat? Format, Checked Result)
{
    /// <summary><see cref="Signatures.Evidence.Repository"/> of the manifest.</summary>
    public RepositoryName? Repository { get; init; }
}
