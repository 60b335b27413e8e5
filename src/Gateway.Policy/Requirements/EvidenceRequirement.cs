using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>The evidence that a rule requires: by which authority, and about which manifests of an index.</summary>
/// <param name="What">The kind of evidence, for <see cref="EvidenceSeen.Kind"/>: <c>signature</c>, or the predicate's type.</param>
/// <param name="Authority">The authority that must have made it.</param>
/// <param name="Coverage">Which manifests of an index it must be about.</param>
/// <param name="StaleAt">When the trust material of the authority becomes too old; null for never.</param>
/// <param name="Advice">The command that makes it, before the reference.</param>
/// <param name="Ask">Checks the evidence about one digest.</param>
internal sealed record WantedEvidence(
    string What, string Authority, IndexCoverage Coverage, DateTimeOffset? StaleAt, string Advice,
    Func<Digest, EvidenceSet, PolicyInput, EvidenceCheck> Ask)
{
    /// <summary>Whether the rule is asked again about each image of an index, when a client requests that image by digest.</summary>
    public bool AsksImages { get; init; }

    /// <summary>Whether <see cref="Advice"/>, for an index, makes evidence about each image too.</summary>
    public bool AdvisesAll { get; init; }

    /// <summary>Whether any of it can have a proven time.</summary>
    public bool ProvesTimes { get; init; }

    /// <summary>What gives it a proven time, to append to <see cref="Advice"/> and the reference.</summary>
    public string TimeAdvice { get; init; } = "";

    /// <summary>The command for one manifest, in the repository where its evidence belongs.</summary>
    public string AdviceFor(Digest subject, PolicyInput input) => $"{Advice} HOST/{input.EvidenceFrom ?? input.Repository}@{subject}";

    /// <summary>The entry of the verdict for a signature that was checked.</summary>
    public EvidenceSeen Seen(Digest subject, EvidenceFinding finding) => new(
        subject, finding.Evidence, What, Name(finding.Format), finding.Result.IsTrusted ? Authority : null,
        finding.Result.IsTrusted, finding.Result.Code ?? "", finding.Result.Why) { Repository = finding.Repository };

    private static string Name(SignatureFormat? format) => format is { } known ? EvidenceVerifier.Name(known) : "unreadable";
}

/// <summary>Requires signatures or attestations. Never for evidence: otherwise each signature would need another one.</summary>
internal sealed class EvidenceRequirement(WantedEvidence wanted) : IRequirement
{
    public FactKinds Needs => FactKinds.Evidence | FactKinds.Above;

    public bool Descends => false;

    public bool IsAbout(ManifestKind kind) => kind != ManifestKind.Evidence;

    public void Check(Evaluation evaluation)
    {
        var input = evaluation.Input;
        ListedImage[] images =
            evaluation.Manifest.IsIndex ? [.. ImagesBelow.Of(input, evaluation.Digest, evaluation.Manifest)] : [];
        var isLater = wanted is { AsksImages: true, Coverage: IndexCoverage.Children or IndexCoverage.Both };
        var later = isLater ? images.Where(IsLater).ToDictionary(ByDigest) : [];
        var check = Coverage.Check(
            wanted.Coverage, evaluation.Digest, [.. images.Select(ByDigest)], IndexesAbove(evaluation),
            digest => later.ContainsKey(digest) ? new(null, "evaluated when it is requested", []) : Ask(evaluation, digest));
        evaluation.ChangesAt(wanted.StaleAt);
        if (check.Code is { } code) evaluation.Findings.Add(Missing(code, check, evaluation));
    }

    private static Digest ByDigest(ListedImage image) => image.Digest;

    // An image of an upstream that nobody has requested yet. When a client requests it, the policy evaluates that request.
    private static bool IsLater(ListedImage image) => !image.IsHere && MediaTypes.IsManifest(image.Entry!.MediaType);

    /// <summary>The indexes of the repository that name the manifest.</summary>
    public static Digest[] IndexesAbove(Evaluation evaluation)
    {
        var above = evaluation.Input.Facts.Above.Select(static index => index.Digest);
        return [.. evaluation.IsAsked ? above : above.Append(evaluation.Input.Digest)];
    }

    // Evidence about any digest of these bytes is evidence about the bytes.
    private EvidenceCheck Ask(Evaluation evaluation, Digest digest)
    {
        var check = AskOf(evaluation, digest);
        if (check.IsSatisfied || evaluation.NamesOf(digest) is not [_, var canonical]) return check;
        var same = AskOf(evaluation, canonical);
        return same.IsSatisfied || check.Findings.IsEmpty ? same : check;
    }

    private EvidenceCheck AskOf(Evaluation evaluation, Digest digest)
    {
        var check = evaluation.Sets.Check(wanted, digest, evaluation.Input);
        foreach (var finding in check.Findings) evaluation.ChangesAt(finding.Result.ChangesAt);
        evaluation.Evidence.AddRange(check.Findings.Select(finding => wanted.Seen(digest, finding)));
        return !check.IsSatisfied && evaluation.Input.Facts.BeyondBudget.Contains(digest)
            ? check with { Code = ReasonCodes.EvidenceBudget }
            : check;
    }

    // More evidence fixes missing evidence, but neither too much evidence nor trust that is too old.
    private Finding Missing(string code, EvidenceCheck check, Evaluation evaluation)
    {
        var about = check.Image.IsEmpty || wanted.AdvisesAll ? evaluation.Digest : check.Image;
        return new(code, check.Why, wanted.AdviceFor(about, evaluation.Input))
        {
            Expected = $"{wanted.What} by {wanted.Authority}",
            IsMissing = code is not (ReasonCodes.EvidenceBudget or ReasonCodes.TrustStale),
        };
    }
}

/// <summary>The evidence of an input. The evidence about each subject is read once for all rules and for the inputs that follow.</summary>
/// <param name="first">The first input.</param>
internal sealed class EvidenceSets(PolicyInput first)
{
    private readonly Dictionary<Digest, EvidenceSet> _read = [];
    private readonly Dictionary<(WantedEvidence Wanted, Digest Subject), EvidenceCheck> _checked = [];

    /// <summary>Whether the evidence that was read and verified for the first input is the same for this one.</summary>
    public bool IsOf(PolicyInput input) =>
        first.Now == input.Now && first.Repository == input.Repository && first.EvidenceFrom == input.EvidenceFrom
        && first.Digest == input.Digest && first.Canonical == input.Canonical
        && ReferenceEquals(first.Facts.Evidence, input.Facts.Evidence)
        && ReferenceEquals(first.Facts.BeyondBudget, input.Facts.BeyondBudget);

    /// <summary>The result of a check for a subject. Each signature is verified once for it.</summary>
    public EvidenceCheck Check(WantedEvidence wanted, Digest subject, PolicyInput input)
    {
        if (_checked.TryGetValue((wanted, subject), out var known)) return known;
        var check = wanted.Ask(subject, Of(subject), input);
        return _checked[(wanted, subject)] = check with { IsCut = check.IsCut || first.Facts.BeyondBudget.Contains(subject) };
    }

    private EvidenceSet Of(Digest subject)
    {
        if (_read.TryGetValue(subject, out var known)) return known;
        var isThere = first.Facts.Evidence.TryGetValue(subject, out var evidence);
        return _read[subject] = isThere ? EvidenceSet.Read(evidence) : EvidenceSet.Empty;
    }
}
