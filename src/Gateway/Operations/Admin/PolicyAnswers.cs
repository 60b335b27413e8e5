using Gateway.Configuration;
using Gateway.Policy;

namespace Gateway.Operations;

/// <summary>
/// A configuration whose policy is evaluated, as text, with the files that it names. The gateway opens none of these files, because it may
/// have the right to read files that the caller cannot read.
/// </summary>
/// <param name="Source">Its name in mistakes.</param>
/// <param name="Folder">The absolute base of relative paths.</param>
internal sealed record PolicyText(string Text, string Source, string Folder)
{
    /// <summary>The files that it names, by their absolute paths, as the caller has read them.</summary>
    public Dictionary<string, NamedFile> Files { get; init; } = [];

    private NamedFile Find(string path) =>
        Files.GetValueOrDefault(path) ?? throw new IOException($"expected the file '{path}' with the policy, got none");

    /// <summary>The policy; the problem is the first mistake.</summary>
    public (PolicyOptions? Policy, string? Problem) Read()
    {
        if (!Path.IsPathFullyQualified(Folder)) return (null, $"expected an absolute folder, got '{Folder}'");
        var loaded = ConfigurationLoader.Load(Text, Source, Folder, [], Find);
        return (loaded.Options?.Policy, loaded.Options is null ? loaded.Mistakes[0].ToString() : null);
    }
}

/// <summary>The question of <c>gateway policy explain</c>.</summary>
/// <param name="Reference">A repository with <c>:tag</c> or <c>@digest</c>; without either, <c>latest</c>.</param>
/// <param name="Stage">The stage, as rules name it.</param>
/// <param name="As">The account whose rights to show; null for none.</param>
/// <param name="At">The time of the evaluation; null for now.</param>
/// <param name="Policy">The policy to use; null for the one in force.</param>
internal sealed record PolicyQuestion(
    string Reference, string Stage = "pull", string? As = null, DateTimeOffset? At = null, PolicyText? Policy = null);

/// <param name="Answer">Null if there is none.</param>
/// <param name="Problem">Why there is no answer; null if there is one.</param>
internal sealed record PolicyExplained(PolicyAnswer? Answer, string? Problem)
{
    /// <summary>The recorded decision, if the question names one; otherwise null.</summary>
    public string? Decision { get; init; }
}

/// <summary>The policy's answer; the field names are those of a decision (docs/policy.md), where it has them.</summary>
/// <param name="Outcome">The outcome if every rule were enforced.</param>
/// <param name="Effective">The outcome with modes and exceptions.</param>
/// <param name="State"><c>live</c>, <c>pending</c>, or <c>stored</c> for a digest.</param>
/// <param name="Live">The live digest of the tag; null for none, and for a digest.</param>
/// <param name="Expires">When the held push expires; null if there is none.</param>
/// <param name="Until">The earliest moment that could change the answer, all else being equal; null for never.</param>
internal sealed record PolicyAnswer(
    string Repository, string Reference, string Digest, string Stage, DateTimeOffset Time, string Outcome, string Effective,
    string PolicyRevision, string State, string? Live, DateTimeOffset? Expires, DateTimeOffset? Until, RightsAnswer? Rights,
    IReadOnlyList<RuleAnswer> Rules, IReadOnlyList<EvidenceAnswer> Evidence, IReadOnlyList<string> ExceptionsUsed);

/// <summary>The rights of an account in the repository, regardless of the policy.</summary>
internal sealed record RightsAnswer(string Actor, bool MayPull, bool MayPush);

/// <summary>The result of one rule.</summary>
/// <param name="Ages">The start of ages, if they count from evidence.</param>
public sealed record RuleAnswer(
    string Id, string MatchedBy, string Outcome, string Effective, IReadOnlyList<ReasonAnswer> Reasons, string Fix,
    IReadOnlyList<AgeAnswer> Ages);

/// <summary>The time from which the age of a manifest counts, what proves it, and its evidence.</summary>
public sealed record AgeAnswer(string Manifest, DateTimeOffset SignedAt, string By, string Subject, string Evidence);

/// <summary>One finding of a rule.</summary>
public sealed record ReasonAnswer(string Code, string Message, string Outcome, string Path, string Expected, string Found);

/// <summary>One piece of evidence, and why it did or did not count.</summary>
public sealed record EvidenceAnswer(
    string Subject, string Digest, string Kind, string Format, string? Authority, bool Verified, string Code, string Why);

/// <summary>The question of <c>gateway policy diff</c>.</summary>
internal sealed record PolicyComparison(PolicyText Old, PolicyText New)
{
    /// <summary>Why the two cannot be compared; null if they can.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string? Problem => Old.Read().Problem ?? New.Read().Problem;
}

/// <summary>A stored reference that the new policy evaluates differently.</summary>
/// <param name="Old">Its outcome under the old policy.</param>
/// <param name="New">Its outcome under the new one.</param>
/// <param name="Reasons">The reasons of the worse outcome.</param>
public sealed record PolicyChange(
    string Repository, string Tag, string Digest, string Old, string New, IReadOnlyList<ReasonAnswer> Reasons);
