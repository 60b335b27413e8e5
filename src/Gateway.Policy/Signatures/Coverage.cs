using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy.Signatures;

/// <summary>Which manifests around an index a requirement is asked of (policy <c>coverage</c>). Pure.</summary>
internal static class Coverage
{
    /// <summary>Asks a requirement of a manifest, of the images below it, and of the indexes above it, as far as needed.</summary>
    /// <param name="coverage">Which must satisfy it.</param>
    /// <param name="subject">The manifest.</param>
    /// <param name="images">Every image below the manifest that the repository holds: without indexes between and without evidence, such as
    /// BuildKit's attestation manifests; empty for what is no index.</param>
    /// <param name="above">The indexes of the repository that name the manifest.</param>
    /// <param name="ask">The requirement, asked of one digest.</param>
    public static EvidenceCheck Check(
        IndexCoverage coverage, Digest subject, IReadOnlyList<Digest> images, IReadOnlyList<Digest> above, Func<Digest, EvidenceCheck> ask)
    {
        // An index of no images covers nothing by them.
        if (images.Count == 0) return CheckImage(coverage, subject, above, ask);
        return coverage switch
        {
            IndexCoverage.Index => ask(subject),
            IndexCoverage.Children => CheckAll(images, ask),
            IndexCoverage.Both => ask(subject) is { IsSatisfied: false } missing ? missing : CheckAll(images, ask),
            _ => ask(subject) is var own && own.IsSatisfied ? own : CheckAll(images, ask) is { IsSatisfied: true } all ? all : own,
        };
    }

    // An image that was pushed with its index is admitted by the index's signature, where that one counts.
    private static EvidenceCheck CheckImage(
        IndexCoverage coverage, Digest subject, IReadOnlyList<Digest> above, Func<Digest, EvidenceCheck> ask)
    {
        var own = ask(subject);
        if (own.IsSatisfied || coverage is IndexCoverage.Children or IndexCoverage.Both) return own;
        return above.Select(ask).FirstOrDefault(static index => index.IsSatisfied) ?? own;
    }

    /// <summary>The manifests whose evidence counts for a manifest without its images: itself, and the indexes that speak for it.</summary>
    /// <param name="coverage">Which must satisfy a requirement.</param>
    /// <param name="subject">The manifest.</param>
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
