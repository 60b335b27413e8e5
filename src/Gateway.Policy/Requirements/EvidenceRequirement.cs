using Gateway.Oci;
using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>What a rule asks of evidence: who must have made it, and about which manifests of an index.</summary>
/// <param name="What">What it is, for <see cref="EvidenceSeen.Kind"/>: <c>signature</c>, or the predicate's type.</param>
/// <param name="Authority">Whose it must be.</param>
/// <param name="Coverage">Which manifests of an index it must be about.</param>
/// <param name="StaleAt">When what the authority is checked by becomes too old; null for never.</param>
/// <param name="Advice">What makes it, before the reference.</param>
/// <param name="Ask">The question, of one digest.</param>
internal sealed record WantedEvidence(
    string What, string Authority, IndexCoverage Coverage, DateTimeOffset? StaleAt, string Advice,
    Func<Digest, EvidenceSet, PolicyInput, EvidenceCheck> Ask)
{
    /// <summary>Whether <see cref="Advice"/>, about an index, makes it of each image too.</summary>
    public bool AdvisesAll { get; init; }

    /// <summary>Whether anything of it can have a time that is proven.</summary>
    public bool ProvesTimes { get; init; }

    /// <summary>What gives it such a time, behind <see cref="Advice"/> and the reference.</summary>
    public string TimeAdvice { get; init; } = "";

    /// <summary>The command for one manifest, where its evidence belongs.</summary>
    public string AdviceFor(Digest subject, PolicyInput input) => $"{Advice} HOST/{input.EvidenceFrom ?? input.Repository}@{subject}";

    /// <summary>What the verdict tells of a signature that was looked at.</summary>
    public EvidenceSeen Seen(Digest subject, EvidenceFinding finding) => new(
        subject, finding.Evidence, What, Name(finding.Format), finding.Result.IsTrusted ? Authority : null,
        finding.Result.IsTrusted, finding.Result.Code ?? "", finding.Result.Why) { Repository = finding.Repository };

    private static string Name(SignatureFormat? format) => format is { } known ? EvidenceVerifier.Name(known) : "unreadable";
}

/// <summary>Requires signatures or attestations. Never of evidence: else each signature would need one.</summary>
internal sealed class EvidenceRequirement(WantedEvidence wanted) : IRequirement
{
    /// <inheritdoc/>
    public FactKinds Needs => FactKinds.Evidence | FactKinds.Above;

    /// <inheritdoc/>
    public bool Descends => false;

    /// <inheritdoc/>
    public bool IsAbout(ManifestKind kind) => kind != ManifestKind.Evidence;

    /// <inheritdoc/>
    public void Check(Hearing hearing)
    {
        var input = hearing.Input;
        Digest[] images = hearing.Manifest.IsIndex
            ? [.. ImagesBelow.Of(input, hearing.Digest, hearing.Manifest).Select(static image => image.Digest)]
            : [];
        var check = Coverage.Check(wanted.Coverage, hearing.Digest, images, IndexesAbove(hearing), digest => Ask(hearing, digest));
        hearing.ChangesAt(wanted.StaleAt);
        if (check.Code is { } code) hearing.Findings.Add(Missing(code, check, hearing));
    }

    /// <summary>The indexes of the repository that name what is looked at.</summary>
    public static Digest[] IndexesAbove(Hearing hearing)
    {
        var above = hearing.Input.Facts.Above.Select(static index => index.Digest);
        return [.. hearing.IsAsked ? above : above.Append(hearing.Input.Digest)];
    }

    // The bytes that are asked about have one name, whatever they are asked for by: what vouches for it vouches for them.
    private EvidenceCheck Ask(Hearing hearing, Digest digest)
    {
        var check = AskOf(hearing, digest);
        if (check.IsSatisfied || hearing.NamesOf(digest) is not [_, var canonical]) return check;
        var same = AskOf(hearing, canonical);
        return same.IsSatisfied || check.Findings.IsEmpty ? same : check;
    }

    private EvidenceCheck AskOf(Hearing hearing, Digest digest)
    {
        var check = hearing.Sets.Check(wanted, digest, hearing.Input);
        foreach (var finding in check.Findings) hearing.ChangesAt(finding.Result.ChangesAt);
        hearing.Evidence.AddRange(check.Findings.Select(finding => wanted.Seen(digest, finding)));
        return !check.IsSatisfied && hearing.Input.Facts.BeyondBudget.Contains(digest)
            ? check with { Code = ReasonCodes.EvidenceBudget }
            : check;
    }

    // More evidence mends a lack of it, and neither too much of it nor trust that has grown old.
    private Finding Missing(string code, EvidenceCheck check, Hearing hearing)
    {
        var about = check.Image.IsEmpty || wanted.AdvisesAll ? hearing.Digest : check.Image;
        return new(code, check.Why, wanted.AdviceFor(about, hearing.Input))
        {
            Expected = $"{wanted.What} by {wanted.Authority}",
            IsMissing = code is not (ReasonCodes.EvidenceBudget or ReasonCodes.TrustStale),
        };
    }
}

/// <summary>The evidence of a question, each subject's read once for all rules, and for the questions that follow it.</summary>
/// <param name="first">The first question.</param>
internal sealed class EvidenceSets(PolicyInput first)
{
    private readonly Dictionary<Digest, EvidenceSet> _read = [];
    private readonly Dictionary<(WantedEvidence Wanted, Digest Subject), EvidenceCheck> _checked = [];

    /// <summary>Whether what was read and verified for the first question is the same for this one.</summary>
    public bool IsOf(PolicyInput input) =>
        first.Now == input.Now && first.Repository == input.Repository && first.EvidenceFrom == input.EvidenceFrom
        && first.Digest == input.Digest && first.Canonical == input.Canonical
        && ReferenceEquals(first.Facts.Evidence, input.Facts.Evidence)
        && ReferenceEquals(first.Facts.BeyondBudget, input.Facts.BeyondBudget);

    /// <summary>What comes of asking something of a subject; each signature is verified once for it.</summary>
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
