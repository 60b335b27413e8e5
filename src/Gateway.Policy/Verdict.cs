using System.Collections.Immutable;

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
/// <param name="Outcome">What this finding leads to after the rule's mode.</param>
public sealed record Reason(string Rule, string Code, string Message, Outcome Outcome);

/// <summary>What the policy says of one manifest in one repository.</summary>
/// <param name="Outcome">The worst outcome of all reasons.</param>
/// <param name="Revision">First 8 bytes of SHA-256 over the canonical policy: the verdict holds under this policy only.</param>
/// <param name="Reasons">What led to it, worst first; empty when admitted without remark.</param>
public sealed record Verdict(Outcome Outcome, ulong Revision, ImmutableArray<Reason> Reasons)
{
    /// <summary>Whether the manifest may be served.</summary>
    public bool Admits => Outcome <= Outcome.Warn;
}
