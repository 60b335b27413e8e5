using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Reads manifests that a repository has, without asking an upstream for those that it does not have.</summary>
internal static class LinkedManifests
{
    /// <summary>The manifest, when the repository links it and its bytes can be read; null otherwise.</summary>
    public static async ValueTask<StoredManifest?> ReadLinkedAsync(
        this IRepositoryContent backing, Digest digest, CancellationToken cancellationToken) =>
        await backing.ReadLinkAsync(digest, LinkKind.Manifest, cancellationToken) is not null
        && await backing.ReadManifestAsync(digest, cancellationToken) is Result<StoredManifest>.Found { Value: var manifest }
            ? manifest
            : null;

    /// <summary>
    /// The digests under which the repository has a manifest; none when it does not have it. A client may push a manifest by its sha512
    /// digest while a signature names its sha256 digest: evidence about one is evidence about the other (<see
    /// cref="Closure.CanonicalOf"/>).
    /// </summary>
    public static async ValueTask<List<Digest>> NamesOfAsync(
        this IRepositoryContent backing, Digest subject, CancellationToken cancellationToken)
    {
        List<Digest> names = [];
        if (await backing.ReadLinkAsync(subject, LinkKind.Manifest, cancellationToken) is not null) names.Add(subject);
        if (subject.Algorithm != DigestAlgorithm.Sha256) return names;
        // Few clients push by sha512, so most repositories have nothing to look through here.
        await foreach (var other in backing.ManifestsAsync(DigestAlgorithm.Sha512).WithCancellation(cancellationToken))
        {
            var read = await backing.ReadManifestAsync(other, cancellationToken);
            if (read is Result<StoredManifest>.Found { Value: { IsStored: true } stored } && Closure.CanonicalOf(stored) == subject)
                names.Add(other);
        }
        return names;
    }
}
