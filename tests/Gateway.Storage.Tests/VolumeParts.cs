using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.Testing;

/// <summary>The parts of a volume that tests use most, by short names.</summary>
internal static class VolumeParts
{
    public static StoredRepository Pushed(this Volume volume, RepositoryName name) => volume.Repositories.Pushed(name);

    public static StoredRepository Cached(this Volume volume, string folder, RepositoryName name) =>
        volume.Repositories.Cached(folder, name);

    public static StoredRepository Staged(this Volume volume, string folder, RepositoryName name) =>
        volume.Repositories.Staged(folder, name);

    /// <summary>The length of content whose bytes are whole in some root of the local disk; null when no root has them.</summary>
    public static long? FindContent(this Volume volume, Digest digest, long size) =>
        volume.Content.FindAsync(digest, size, default).AsTask().GetAwaiter().GetResult();
}
