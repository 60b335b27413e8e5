namespace Gateway.Policy.Signatures;

/// <summary>Which manifests around an index a requirement applies to (policy <c>coverage</c>). Pure.</summary>
internal static class Coverage
{
    /// <summary>Checks a requirement for a manifest, for the images below it, and for the indexes above it, as far as needed.</summary>
    /// <param name="coverage">The manifests that must satisfy it.</param>
    /// <param name="images">Every image below the manifest that the repository has, without nested indexes and without evidence such as
    /// BuildKit's attestation manifests; empty for a manifest that is not an index.</param>
    /// <param name="above">The indexes of the repository that name the manifest.</param>
    /// <param name="ask">Checks the requirement for one digest.</param>
    public static EvidenceCheck Check(
        IndexCoverage coverage, Digest subject, IReadOnlyList<Digest> images, IReadOnlyList<Digest> above, Func<Digest, EvidenceCheck> ask)
    {
        // An index without images is not covered by image signatures.
        if (images.Count == 0) return CheckImage(coverage, subject, above, ask);
        return coverage switch
        {
            IndexCoverage.Index => ask(subject),
            IndexCoverage.Children => CheckAll(images, ask),
            IndexCoverage.Both => ask(subject) is { IsSatisfied: false } missing ? missing : CheckAll(images, ask),
            _ => ask(subject) is var own && own.IsSatisfied ? own : CheckAll(images, ask) is { IsSatisfied: true } all ? all : own,
        };
    }

    // The index's signature, if it counts, admits an image that was pushed with the index.
    private static EvidenceCheck CheckImage(
        IndexCoverage coverage, Digest subject, IReadOnlyList<Digest> above, Func<Digest, EvidenceCheck> ask)
    {
        var own = ask(subject);
        if (own.IsSatisfied || coverage is IndexCoverage.Children or IndexCoverage.Both) return own;
        return above.Select(ask).FirstOrDefault(static index => index.IsSatisfied) ?? own;
    }

    /// <summary>
    /// The manifests whose evidence counts for a manifest, apart from its images: itself, and the indexes that cover it.
    /// </summary>
    /// <param name="coverage">The manifests that must satisfy a requirement.</param>
    /// <param name="hasImages">Whether it is an index of images.</param>
    /// <param name="above">The indexes of the repository that name it.</param>
    public static IEnumerable<Digest> SpeakingFor(IndexCoverage coverage, Digest subject, bool hasImages, IEnumerable<Digest> above)
    {
        if (hasImages) return coverage == IndexCoverage.Children ? [] : [subject];
        return coverage is IndexCoverage.Children or IndexCoverage.Both ? [subject] : above.Prepend(subject);
    }

    private static EvidenceCheck CheckAll(IReadOnlyList<Digest> images, Func<Digest, EvidenceCheck> ask)
    {
        var findings = ImmutableArray.CreateBuilder<EvidenceFinding>();
        foreach (var image in images)
        {
            var check = ask(image);
            if (!check.IsSatisfied)
            {
                var why = Printable.Line($"image {image.ToString()[..19]}: {check.Why}");
                return check with { Code = ReasonCodes.CoverageChildUnsigned, Why = why, Image = image };
            }
            findings.AddRange(check.Findings);
        }
        return new(null, $"each of {images.Count} images is signed", findings.ToImmutable());
    }
}
