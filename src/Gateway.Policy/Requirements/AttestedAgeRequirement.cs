using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>
/// Limits the age of a manifest by the proven times of the signatures and attestations that count for the same rule: the manifest is at
/// least as old as the earliest. Without a proven time its age is unknown, and it is refused.
/// </summary>
internal sealed class AttestedAgeRequirement(LimitOptions limits, ImmutableArray<WantedEvidence> wanted) : IRequirement
{
    public FactKinds Needs => FactKinds.Evidence | FactKinds.Above;

    public bool Descends => false;

    public bool IsAbout(ManifestKind kind) => kind != ManifestKind.Evidence;

    public void Check(Evaluation evaluation)
    {
        if (!AgeBounds.AreAsked(limits, evaluation.Input.Stage)) return;
        var search = new Search(evaluation, wanted);
        var own = search.AgeOf();
        if (own is not null) evaluation.Ages.Add(own);
        evaluation.Findings.AddRange(Find(evaluation, search, evaluation.Digest, own));
        // The index is refused already because its age is unknown.
        foreach (var (image, _) in own is null ? [] : ImagesBelow.Here(evaluation))
        {
            evaluation.Findings.AddRange(
                Find(evaluation, search, image, search.AgeOfImage(image)).Select(finding => finding.AtChild(image)));
        }
        // Unread evidence can only be older: then the minimum age is reached sooner, and perhaps the maximum age too.
        if (search.IsCut && limits.MaxAge is not null && evaluation.Findings.Count == 0) evaluation.Findings.Add(Unread());
    }

    private List<Finding> Find(Evaluation evaluation, Search search, Digest digest, AttestedAge? age)
    {
        if (age is null) return [search.IsCut ? Unread() : Unknown(evaluation, digest, search.CountedWithout)];
        evaluation.Evidence.Add(search.Seen[age]);
        return AgeBounds.Find(limits, evaluation, age.SignedAt, "signed", $" by the {age.By} in {Short(age.Evidence)}");
    }

    private static Finding Unread() => new(
        ReasonCodes.EvidenceBudget, "its signed time is unknown: the evidence exceeds the budget", "delete what is not needed")
    {
        Expected = "a signed time",
    };

    private Finding Unknown(Evaluation evaluation, Digest digest, Digest countedWithout)
    {
        var whose = string.Join(" or ", wanted.Select(static one => one.Authority).Distinct());
        var why = countedWithout.IsEmpty
            ? $"no evidence by {whose} counts"
            : $"{Short(countedWithout)} counts, and neither a log entry nor a time stamp proves when it was made";
        var fix = wanted.FirstOrDefault(static one => one.ProvesTimes) is { } first
            ? $"{first.AdviceFor(digest, evaluation.Input)} with {first.TimeAdvice}"
            : "let the rule require a signature that proves its time";
        return new(ReasonCodes.LimitAgeUnknown, $"its signed time is unknown: {why}", fix)
        {
            Expected = "a signed time",
            IsMissing = true,
        };
    }

    // As in other messages: enough to identify it.
    private static string Short(Digest digest) => digest.ToString()[..19];

    /// <summary>Searches the evidence of one input for the times of everything that counts.</summary>
    private sealed class Search(Evaluation evaluation, ImmutableArray<WantedEvidence> wanted)
    {
        /// <summary>Whether there was more evidence than could be read.</summary>
        public bool IsCut { get; private set; }

        /// <summary>Evidence that counts without a proven time; empty when there is none.</summary>
        public Digest CountedWithout { get; private set; }

        /// <summary>The evidence for each age that was found.</summary>
        public Dictionary<AttestedAge, EvidenceSeen> Seen { get; } = [];

        /// <summary>The age of the manifest; null when no time is proven.</summary>
        public AttestedAge? AgeOf()
        {
            Digest[] images = evaluation.Manifest.IsIndex
                ? [.. ImagesBelow.Of(evaluation.Input, evaluation.Digest, evaluation.Manifest).Select(static image => image.Digest)]
                : [];
            var above = EvidenceRequirement.IndexesAbove(evaluation);
            var own = Earliest(one => Coverage.SpeakingFor(one.Coverage, evaluation.Digest, images.Length > 0, above));
            return own ?? Youngest(images);
        }

        /// <summary>The age of an image below the index, as in an evaluation of that image; null when no time is proven.</summary>
        public AttestedAge? AgeOfImage(Digest image)
        {
            CountedWithout = default;
            var above = EvidenceRequirement.IndexesAbove(evaluation).Append(evaluation.Digest);
            return Earliest(one => Coverage.SpeakingFor(one.Coverage, image, hasImages: false, above));
        }

        // An index whose images are signed instead of it is as old as the youngest image: it cannot be older.
        private AttestedAge? Youngest(Digest[] images)
        {
            AttestedAge? youngest = null;
            foreach (var image in images)
            {
                if (Earliest(one => one.Coverage == IndexCoverage.Index ? [] : [image]) is not { } age) return null;
                if (youngest is null || age.SignedAt > youngest.SignedAt) youngest = age;
            }
            return youngest;
        }

        // Of several that prove the same time always the same one, whatever their order.
        private AttestedAge? Earliest(Func<WantedEvidence, IEnumerable<Digest>> subjects) =>
            wanted.SelectMany(one => subjects(one).SelectMany(evaluation.NamesOf).SelectMany(subject => AgesBy(one, subject)))
                .MinBy(static age => (age.SignedAt, age.Evidence));

        private IEnumerable<AttestedAge> AgesBy(WantedEvidence one, Digest subject)
        {
            var check = evaluation.Sets.Check(one, subject, evaluation.Input);
            IsCut |= check.IsCut;
            foreach (var finding in check.Findings)
            {
                evaluation.ChangesAt(finding.Result.ChangesAt);
                if (!finding.Result.IsTrusted) continue;
                if (finding.Result.SignedAt is not { } time)
                {
                    CountedWithout = finding.Evidence;
                    continue;
                }
                var age = new AttestedAge(evaluation.Digest, time.At, time.By, subject, finding.Evidence);
                Seen.TryAdd(age, one.Seen(subject, finding));
                yield return age;
            }
        }
    }
}
