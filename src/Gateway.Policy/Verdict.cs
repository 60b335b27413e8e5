using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>What a verdict says, from best to worst.</summary>
public enum Outcome
{
    /// <summary>Admitted.</summary>
    Allow,

    /// <summary>Admitted, and the client is told.</summary>
    Warn,

    /// <summary>Stored, and hidden from pullers.</summary>
    Quarantine,

    /// <summary>Refused.</summary>
    Deny,
}

/// <summary>One finding of one rule.</summary>
/// <param name="Rule">The rule's id.</param>
/// <param name="Code">A stable code of <see cref="ReasonCodes"/>, such as <c>TYPE_LAYER_NOT_ALLOWED</c>.</param>
/// <param name="Message">One printable ASCII line: what was found, what was expected, and what to do.</param>
/// <param name="Outcome">What this finding leads to after the rule's mode and exceptions.</param>
public sealed record Reason(string Rule, string Code, string Message, Outcome Outcome)
{
    /// <summary>Where: a digest of the closure, a field of the document; empty for the whole.</summary>
    public string Path { get; init; } = "";

    /// <summary>What the rule asks for, short; empty where the message says it all.</summary>
    public string Expected { get; init; } = "";

    /// <summary>What is there instead, short; empty where the message says it all.</summary>
    public string Found { get; init; } = "";
}

/// <summary>What one rule that was asked says.</summary>
/// <param name="Id">The rule's id.</param>
/// <param name="MatchedBy">Which patterns of the rule the question matches, as a person reads it.</param>
/// <param name="Outcome">What the findings come to under <c>mode: enforce</c> and without exceptions.</param>
/// <param name="Effective">What they come to after exceptions and the rule's mode.</param>
/// <param name="Reasons">What was found; empty when the rule is satisfied.</param>
/// <param name="Fix">What to do; empty when the rule is satisfied.</param>
public sealed record RuleVerdict(
    string Id, string MatchedBy, Outcome Outcome, Outcome Effective, ImmutableArray<Reason> Reasons, string Fix)
{
    /// <summary>What the ages count from that the rule was asked about, where it is evidence.</summary>
    public ImmutableArray<AttestedAge> Ages { get; init; } = [];
}

/// <summary>What the age of a manifest counts from: the earliest time that is proven of what counts.</summary>
/// <param name="Manifest">Whose age it is.</param>
/// <param name="SignedAt">The time.</param>
/// <param name="By">What proves it, as <see cref="Signatures.SignedTime"/> calls it.</param>
/// <param name="Subject">What the evidence is about: the manifest, an index that names it, or an image of it.</param>
/// <param name="Evidence">The manifest that brought the evidence.</param>
public sealed record AttestedAge(Digest Manifest, DateTimeOffset SignedAt, string By, Digest Subject, Digest Evidence);

/// <summary>A piece of evidence that was looked at.</summary>
/// <param name="Subject">What it is about.</param>
/// <param name="Digest">The manifest that brought it.</param>
/// <param name="Kind">What it is: <c>signature</c>, or an attestation's predicate type.</param>
/// <param name="Format">Its form: <c>legacy</c>, <c>bundle</c>, <c>referrer-legacy</c>.</param>
/// <param name="Authority">Who of the policy's authorities vouches by it; null when nobody does.</param>
/// <param name="Verified">Whether it counts.</param>
/// <param name="Code">Why not, as a code of <see cref="ReasonCodes"/>; empty when it counts.</param>
/// <param name="Why">Why or why not, one printable line.</param>
public sealed record EvidenceSeen(
    Digest Subject, Digest Digest, string Kind, string Format, string? Authority, bool Verified, string Code, string Why)
{
    /// <summary>The signature repository that it was found in; null for the image's own repository.</summary>
    public RepositoryName? Repository { get; init; }
}

/// <summary>What the policy says of one manifest in one repository.</summary>
/// <param name="Outcome">The worst outcome of all rules, after modes and exceptions.</param>
/// <param name="Revision">First 8 bytes of SHA-256 over the canonical policy and trust: the verdict holds under these only.</param>
/// <param name="Reasons">What led to it, worst first; empty when admitted without remark.</param>
public sealed record Verdict(Outcome Outcome, ulong Revision, ImmutableArray<Reason> Reasons)
{
    /// <summary>Whether the manifest may be served.</summary>
    public bool Admits => Outcome <= Outcome.Warn;

    /// <summary>The worst outcome were every rule enforced and nothing excepted.</summary>
    public Outcome BeforeModes { get; init; }

    /// <summary>Every rule that was asked, in the file's order.</summary>
    public ImmutableArray<RuleVerdict> Rules { get; init; } = [];

    /// <summary>The evidence that was looked at, and why each did or did not count.</summary>
    public ImmutableArray<EvidenceSeen> Evidence { get; init; } = [];

    /// <summary>The ids of the exceptions without which the outcome would be another.</summary>
    public ImmutableArray<string> ExceptionsUsed { get; init; } = [];

    /// <summary>
    /// The earliest moment at which the same question could have another answer, all else unchanged: an age is reached, an exception
    /// ends, trust material expires. Null for never.
    /// </summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>
    /// Whether the answer may be another for another tag, or for none: then it is of this binding alone, else of the digest under every
    /// tag.
    /// </summary>
    public bool OfBinding { get; init; }

    /// <summary>How long it took to find, its facts and all; written by who reads them.</summary>
    public TimeSpan Took { get; init; }

    /// <summary>Whether it was found before, and remembered; written by who remembers.</summary>
    public bool IsRemembered { get; init; }

    /// <summary>
    /// Why it is not known whether this is refused: all that it does not pass for rests on what could not be looked at. One line; null
    /// where the answer is known, and where it is admitted.
    /// </summary>
    public string? Unknown { get; init; }

    /// <summary>
    /// Whether the outcome is <see cref="Outcome.Deny"/> or <see cref="Outcome.Quarantine"/> for nothing but what more evidence, or time,
    /// could mend.
    /// </summary>
    public bool CouldBeMended { get; init; }
}
