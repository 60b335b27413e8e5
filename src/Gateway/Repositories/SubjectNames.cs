using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Under which digests a repository keeps a manifest. A client may push one by its sha512, while its signature names its sha256: evidence
/// about the one is about the other (<see cref="Closure.CanonicalOf"/>).
/// </summary>
internal static class SubjectNames
{
    /// <summary>The digests under which what is called <paramref name="subject"/> is kept here; none where it is not.</summary>
    public static async ValueTask<List<Digest>> NamesOfAsync(
        this IRepositoryContent backing, Digest subject, CancellationToken cancellationToken)
    {
        List<Digest> names = [];
        if (await backing.ReadLinkAsync(subject, LinkKind.Manifest, cancellationToken) is not null) names.Add(subject);
        if (subject.Algorithm != DigestAlgorithm.Sha256) return names;
        // Few clients push by sha512: in most repositories there is nothing to look through.
        await foreach (var other in backing.ManifestsAsync(DigestAlgorithm.Sha512).WithCancellation(cancellationToken))
        {
            var read = await backing.ReadManifestAsync(other, cancellationToken);
            if (read is Result<StoredManifest>.Found { Value: { IsStored: true } stored } && Closure.CanonicalOf(stored) == subject)
                names.Add(other);
        }
        return names;
    }
}
