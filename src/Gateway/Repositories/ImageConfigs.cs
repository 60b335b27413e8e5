using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Reads what an image's config says (image-spec, config.md).</summary>
internal static class ImageConfigs
{
    /// <summary>Null for what cannot be an image, and where the config is not here or is none.</summary>
    public static async ValueTask<ImageConfig?> ReadAsync(IBacking backing, Manifest manifest, CancellationToken cancellationToken)
    {
        if (manifest.Config is not { } config || config.Size > ImageConfigReader.MaxBytes) return null;
        if (!ManifestKinds.MayBeImage(manifest)) return null;
        var found = await backing.OpenBlobAsync(config.Digest, BlobUse.Whole, cancellationToken) as Result<IContent>.Found;
        if (found is null) return null;
        await using var content = found.Value;
        try
        {
            var bytes = await content.ReadAsync(ImageConfigReader.MaxBytes, cancellationToken);
            return bytes is null ? null : ImageConfigReader.Read(bytes);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
