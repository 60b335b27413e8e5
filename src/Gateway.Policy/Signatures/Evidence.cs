namespace Gateway.Policy.Signatures;

/// <summary>One manifest that can be evidence about a subject, with as much of its content as the budget allows.</summary>
/// <param name="Manifest">The manifest. Its own fields decide what it is, never an index that lists it.</param>
/// <param name="Tag">The tag that names it, such as <c>sha256-….sig</c>; null for a referrer.</param>
/// <param name="FirstSeen">When this gateway first stored it, by its own clock; retired and revoked keys are compared with this
/// time.</param>
/// <param name="Blobs">The bytes of its layers by digest, each verified; layers that are unavailable or above <see cref="EvidenceBudget"/>
/// are missing.</param>
public sealed record Evidence(
    Digest Digest, Manifest Manifest, TagName? Tag, DateTimeOffset FirstSeen, ImmutableDictionary<Digest, ReadOnlyMemory<byte>> Blobs)
{
    /// <summary>Position in the order of reading when there is more evidence than the budget; the newest of equals is first.</summary>
    public int Place { get; init; }

    /// <summary>
    /// The repository that contains it, by the name in <see cref="AuthorityOptions.SignatureRepositories"/>; null for the image's own.
    /// </summary>
    public RepositoryName? Repository { get; init; }
}
