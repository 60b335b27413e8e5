using Gateway.Configuration;
using Gateway.Policy;

namespace Gateway.Operations;

/// <summary>
/// A configuration whose policy is to be tried, as text, with the files that it names: the gateway opens none of them, for it may read what
/// whoever asks may not.
/// </summary>
/// <param name="Source">What to call it in mistakes.</param>
/// <param name="Folder">What relative paths start from; absolute.</param>
internal sealed record PolicyText(string Text, string Source, string Folder)
{
    /// <summary>The files that it names, by their absolute paths, as the one who asks has read them.</summary>
    public Dictionary<string, NamedFile> Files { get; init; } = [];

    private NamedFile Find(string path) =>
        Files.GetValueOrDefault(path) ?? throw new IOException($"expected '{path}' among the files that come with the policy, got none");

    /// <summary>The policy that it says; the problem is its first mistake.</summary>
    public (PolicyOptions? Policy, string? Problem) Read()
    {
        if (!Path.IsPathFullyQualified(Folder)) return (null, $"expected an absolute folder, '{Folder}' came");
        var loaded = ConfigurationLoader.Load(Text, Source, Folder, [], Find);
        return (loaded.Options?.Policy, loaded.Options is null ? loaded.Mistakes[0].ToString() : null);
    }
}

/// <summary>What <c>gateway policy explain</c> asks.</summary>
/// <param name="Reference">A repository with <c>:tag</c> or <c>@digest</c>; without either, <c>latest</c>.</param>
/// <param name="Stage">When, as rules name it.</param>
/// <param name="As">Whose rights are to be told; null for nobody's.</param>
/// <param name="At">When it is asked; null for now.</param>
/// <param name="Policy">The policy to ask; null for the one in force.</param>
internal sealed record PolicyQuestion(
    string Reference, string Stage = "pull", string? As = null, DateTimeOffset? At = null, PolicyText? Policy = null);

/// <param name="Answer">Null when there is none.</param>
/// <param name="Problem">Why there is no answer; null when there is one.</param>
internal sealed record PolicyExplained(PolicyAnswer? Answer, string? Problem)
{
    /// <summary>The decision that was asked for, as it is recorded; null where something else was.</summary>
    public string? Decision { get; init; }
}

/// <summary>The policy's answer; the field names are those of a decision (docs/policy.md), where it has them.</summary>
/// <param name="Outcome">Were every rule enforced.</param>
/// <param name="Effective">What happens.</param>
/// <param name="State"><c>live</c>, <c>pending</c>, or <c>stored</c> for a digest.</param>
/// <param name="Live">What the tag is bound to meanwhile; null for nothing, and for a digest.</param>
/// <param name="Expires">When what is pending is dropped; null for what is not.</param>
/// <param name="Until">The earliest moment that could change the answer, all else being equal; null for never.</param>
internal sealed record PolicyAnswer(
    string Repository, string Reference, string Digest, string Stage, DateTimeOffset Time, string Outcome, string Effective,
    string PolicyRevision, string State, string? Live, DateTimeOffset? Expires, DateTimeOffset? Until, RightsAnswer? Rights,
    IReadOnlyList<RuleAnswer> Rules, IReadOnlyList<EvidenceAnswer> Evidence, IReadOnlyList<string> ExceptionsUsed);

/// <summary>What somebody may do in the repository, whatever the policy says.</summary>
internal sealed record RightsAnswer(string Actor, bool MayPull, bool MayPush);

/// <summary>What one rule says.</summary>
/// <param name="Ages">What ages count from, where that is evidence.</param>
internal sealed record RuleAnswer(
    string Id, string MatchedBy, string Outcome, string Effective, IReadOnlyList<ReasonAnswer> Reasons, string Fix,
    IReadOnlyList<AgeAnswer> Ages);

/// <summary>The time that the age of a manifest counts from, what proves it, and the evidence that brought it.</summary>
internal sealed record AgeAnswer(string Manifest, DateTimeOffset SignedAt, string By, string Subject, string Evidence);

/// <summary>One thing that a rule found.</summary>
internal sealed record ReasonAnswer(string Code, string Message, string Outcome, string Path, string Expected, string Found);

/// <summary>One piece of evidence, and why it did or did not count.</summary>
internal sealed record EvidenceAnswer(
    string Subject, string Digest, string Kind, string Format, string? Authority, bool Verified, string Code, string Why);

/// <summary>What <c>gateway policy diff</c> asks.</summary>
internal sealed record PolicyComparison(PolicyText Old, PolicyText New)
{
    /// <summary>Why the two cannot be compared; null when they can.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string? Problem => Old.Read().Problem ?? New.Read().Problem;
}

/// <summary>A stored reference that the new policy judges otherwise.</summary>
/// <param name="Old">Its outcome under the old policy.</param>
/// <param name="New">Its outcome under the new one.</param>
/// <param name="Reasons">Why: of the worse of the two.</param>
internal sealed record PolicyChange(
    string Repository, string Tag, string Digest, string Old, string New, IReadOnlyList<ReasonAnswer> Reasons);
