using Gateway.Access;
using Gateway.Configuration;

namespace Gateway.Repositories;

/// <summary>Binding a tag again to a manifest that is stored here.</summary>
internal sealed partial class Repository
{
    /// <summary>
    /// Binds a tag to a manifest of this repository, as a push of the same bytes under that tag would: the policy admits, holds or refuses
    /// it now, whatever it said when the tag was bound to the manifest before.
    /// </summary>
    /// <param name="from">What the tag must be bound to until then (empty: not bound); null when that does not matter.</param>
    public async ValueTask<Answer<PushedManifest>> RollBackAsync(
        Caller caller, TagName tag, Digest digest, Digest? from, CancellationToken cancellationToken)
    {
        if (RefuseChange<PushedManifest>(caller, AccessActions.Push) is { } refusal) return refusal;
        if (await backing.ReadLinkedAsync(digest, cancellationToken) is not { } stored)
            return new Answer<PushedManifest>.Invalid(
                RegistryErrorCode.MANIFEST_UNKNOWN, $"{Name} does not have {digest} any more; restore it from the trash, or push it again");
        // By digest, because the digest of a tagged push is always sha256.
        var push = new ManifestPush(new(digest), [tag], stored.Manifest.MediaType, stored.Bytes) { From = from };
        return await PutManifestAsync(caller, push, cancellationToken);
    }
}
