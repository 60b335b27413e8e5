using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy.Signatures;

/// <summary>One manifest that may say something about a subject, with as much of its content as was within the budget.</summary>
/// <param name="Digest">The manifest's digest.</param>
/// <param name="Manifest">The manifest; what it is, is decided by its own fields and never by an index that lists it.</param>
/// <param name="Tag">The tag it came by, such as <c>sha256-….sig</c>; null for a referrer.</param>
/// <param name="FirstSeen">When this gateway first stored it, by its own clock: what retired and revoked keys are judged by.</param>
/// <param name="Blobs">Its layers' bytes by digest, each checked against it; one that is missing was not to be had or above
/// <see cref="EvidenceBudget"/>.</param>
public sealed record Evidence(
    Digest Digest, Manifest Manifest, TagName? Tag, DateTimeOffset FirstSeen, ImmutableDictionary<Digest, ReadOnlyMemory<byte>> Blobs)
{
    /// <summary>How many are to be read before it, when there is more than may be read; of equals the newest is first.</summary>
    public int Place { get; init; }

    /// <summary>
    /// The repository that it was found in, by the name in <see cref="AuthorityOptions.SignatureRepositories"/>; null for the image's own.
    /// </summary>
    public RepositoryName? Repository { get; init; }
}
