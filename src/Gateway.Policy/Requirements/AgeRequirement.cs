namespace Gateway.Policy;

/// <summary>
/// Limits the age of a manifest by the gateway's own clock: since the repository first saw it, or an index that names it. The creation
/// time in a config does not count, because its author chooses it. A new index does not make the images below it younger.
/// </summary>
internal sealed class AgeRequirement(LimitOptions limits) : IRequirement
{
    public FactKinds Needs => FactKinds.FirstSeen | FactKinds.Above;

    public bool Descends => false;

    public void Check(Evaluation evaluation)
    {
        evaluation.Findings.AddRange(Find(evaluation, evaluation.Digest));
        foreach (var (image, _) in ImagesBelow.Here(evaluation))
            evaluation.Findings.AddRange(Find(evaluation, image).Select(finding => finding.AtChild(image)));
    }

    private List<Finding> Find(Evaluation evaluation, Digest digest) =>
        AgeBounds.Find(limits, evaluation, FirstSeen(evaluation, digest), "first seen");

    private static DateTimeOffset FirstSeen(Evaluation evaluation, Digest digest)
    {
        var facts = evaluation.Input.Facts;
        return facts.Above.Select(static above => above.Digest).Append(digest)
            .Append(evaluation.Input.Digest).Append(evaluation.Input.Canonical)
            .Min(named => facts.FirstSeen.TryGetValue(named, out var seen) ? seen : evaluation.Input.Now);
    }
}
