using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>
/// Limits the age of a manifest by the gateway's own clock: since the repository first saw it, or an index that names it. The creation
/// time in a config does not count, because its author chooses it. A new index does not make the images below it younger.
/// </summary>
internal sealed class AgeRequirement(LimitOptions limits) : IRequirement
{
    /// <inheritdoc/>
    public FactKinds Needs => FactKinds.FirstSeen | FactKinds.Above;

    /// <inheritdoc/>
    public bool Descends => false;

    /// <inheritdoc/>
    public void Check(Hearing hearing)
    {
        hearing.Findings.AddRange(Find(hearing, hearing.Digest));
        foreach (var (image, _) in ImagesBelow.Here(hearing))
            hearing.Findings.AddRange(Find(hearing, image).Select(finding => finding.AtChild(image)));
    }

    private List<Finding> Find(Hearing hearing, Digest digest) =>
        AgeBounds.Find(limits, hearing, FirstSeen(hearing, digest), "first seen");

    private static DateTimeOffset FirstSeen(Hearing hearing, Digest digest)
    {
        var facts = hearing.Input.Facts;
        return facts.Above.Select(static above => above.Digest).Append(digest)
            .Append(hearing.Input.Digest).Append(hearing.Input.Canonical)
            .Min(named => facts.FirstSeen.TryGetValue(named, out var seen) ? seen : hearing.Input.Now);
    }
}
