using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>
/// Bounds the age of a manifest by this gateway's own clock: since the repository first saw it, or an index that names it. What a config
/// says of its creation is its author's word and does not count.
/// </summary>
internal sealed class AgeRequirement(LimitOptions limits) : IRequirement
{
    /// <inheritdoc/>
    public FactKinds Needs => FactKinds.FirstSeen | FactKinds.Above;

    /// <inheritdoc/>
    public bool Descends => false;

    /// <inheritdoc/>
    public void Check(Hearing hearing) => AgeBounds.Check(limits, hearing, FirstSeen(hearing), "first seen");

    private static DateTimeOffset FirstSeen(Hearing hearing)
    {
        var facts = hearing.Input.Facts;
        return facts.Above.Select(static above => above.Digest).Append(hearing.Digest)
            .Append(hearing.Input.Digest).Append(hearing.Input.Canonical)
            .Min(digest => facts.FirstSeen.TryGetValue(digest, out var seen) ? seen : hearing.Input.Now);
    }
}
