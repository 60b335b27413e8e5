namespace Gateway.Policy;

/// <summary>The outcomes, from best to worst.</summary>
public enum Outcome
{
    /// <summary>Admitted.</summary>
    Allow,

    /// <summary>Admitted with a warning to the client.</summary>
    Warn,

    /// <summary>Stored, and hidden from pullers.</summary>
    Quarantine,

    /// <summary>Refused.</summary>
    Deny,
}

/// <summary>One finding of one rule.</summary>
/// <param name="Code">A stable code of <see cref="ReasonCodes"/>, such as <c>TYPE_LAYER_NOT_ALLOWED</c>.</param>
/// <param name="Message">One printable ASCII line: what was found, what was expected, and what to do.</param>
/// <param name="Outcome">The outcome of this finding after the rule's mode and exceptions.</param>
public sealed record Reason(string Rule, string Code, string Message, Outcome Outcome)
{
    /// <summary>The place: a digest of the closure or a field of the document; empty for the whole.</summary>
    public string Path { get; init; } = "";

    /// <summary>The expected value, short; empty when the message contains everything.</summary>
    public string Expected { get; init; } = "";

    /// <summary>The value that was found, short; empty when the message contains everything.</summary>
    public string Found { get; init; } = "";
}

/// <summary>The result of one evaluated rule.</summary>
/// <param name="MatchedBy">The patterns of the rule that the input matches, for people.</param>
/// <param name="Outcome">The outcome of the findings under <c>mode: enforce</c> and without exceptions.</param>
/// <param name="Effective">The outcome after exceptions and the rule's mode.</param>
/// <param name="Reasons">The findings; empty when the rule is satisfied.</param>
/// <param name="Fix">What to do; empty when the rule is satisfied.</param>
public sealed record RuleVerdict(
    string Id, string MatchedBy, Outcome Outcome, Outcome Effective, ImmutableArray<Reason> Reasons, string Fix)
{
    /// <summary>The evidence from which the ages of the rule count, if they count from evidence.</summary>
    public ImmutableArray<AttestedAge> Ages { get; init; } = [];
}

/// <summary>The start of a manifest's age: the earliest proven time of evidence that counts.</summary>
/// <param name="Manifest">The manifest that has the age.</param>
/// <param name="By">What proves it, by the names of <see cref="Signatures.SignedTime"/>.</param>
/// <param name="Subject">The subject of the evidence: the manifest, an index that names it, or an image of it.</param>
/// <param name="Evidence">The manifest with the evidence.</param>
public sealed record AttestedAge(Digest Manifest, DateTimeOffset SignedAt, string By, Digest Subject, Digest Evidence);

/// <summary>A piece of evidence that was checked.</summary>
/// <param name="Subject">Its subject.</param>
/// <param name="Digest">The manifest that contains it.</param>
/// <param name="Kind">The kind: <c>signature</c>, or an attestation's predicate type.</param>
/// <param name="Format">The format: <c>legacy</c>, <c>bundle</c>, <c>referrer-legacy</c>.</param>
/// <param name="Authority">The authority of the policy that made it; null when there is none.</param>
/// <param name="Code">Why not, as a code of <see cref="ReasonCodes"/>; empty when it counts.</param>
/// <param name="Why">Why or why not, one printable line.</param>
public sealed record EvidenceSeen(
    Digest Subject, Digest Digest, string Kind, string Format, string? Authority, bool Verified, string Code, string Why)
{
    /// <summary>The signature repository that contains it; null for the image's own repository.</summary>
    public RepositoryName? Repository { get; init; }
}

/// <summary>The result of evaluating one manifest in one repository.</summary>
/// <param name="Outcome">The worst outcome of all rules, after modes and exceptions.</param>
/// <param name="Revision">First 8 bytes of SHA-256 over the canonical policy and trust: the verdict is valid only under these.</param>
/// <param name="Reasons">The findings, worst first; empty when admitted without a warning.</param>
public sealed record Verdict(Outcome Outcome, ulong Revision, ImmutableArray<Reason> Reasons)
{
    /// <summary>Whether the manifest can be served: the outcome is allow or warn.</summary>
    public bool Admits => Outcome <= Outcome.Warn;

    /// <summary>The worst outcome if every rule were enforced and there were no exceptions.</summary>
    public Outcome BeforeModes { get; init; }

    /// <summary>Every evaluated rule, in the order of the file.</summary>
    public ImmutableArray<RuleVerdict> Rules { get; init; } = [];

    /// <summary>The evidence that was checked, and why each piece did or did not count.</summary>
    public ImmutableArray<EvidenceSeen> Evidence { get; init; } = [];

    /// <summary>The ids of the exceptions that changed the outcome.</summary>
    public ImmutableArray<string> ExceptionsUsed { get; init; } = [];

    /// <summary>
    /// The earliest time at which the same input could have another verdict: an age is reached, an exception ends, trust material expires.
    /// Null for never.
    /// </summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>
    /// Whether the verdict can differ for another tag, or without a tag: then it is valid only for this binding, otherwise for the digest
    /// under every tag.
    /// </summary>
    public bool OfBinding { get; init; }

    /// <summary>Duration of the evaluation, including reading its facts; set by the caller that reads them.</summary>
    public TimeSpan Took { get; init; }

    /// <summary>Whether this is a stored verdict; set by the caller that stores verdicts.</summary>
    public bool IsRemembered { get; init; }

    /// <summary>
    /// Why it is unknown whether this is refused: every refusing finding depends on something that could not be read. One line; null when
    /// it is known, and when admitted.
    /// </summary>
    public string? Unknown { get; init; }

    /// <summary>
    /// Whether the outcome is <see cref="Outcome.Deny"/> or <see cref="Outcome.Quarantine"/> only because of findings that more evidence,
    /// or time, could fix.
    /// </summary>
    public bool CouldBeMended { get; init; }
}
