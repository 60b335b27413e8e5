using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Reads what an image's config says (image-spec, config.md).</summary>
internal static class ImageConfigs
{
    /// <summary>
    /// Null for a manifest that cannot be an image, and when the config is absent or invalid. When the config could not be read, the second
    /// value says why.
    /// </summary>
    public static async ValueTask<(ImageConfig? Config, string? Unread)> ReadAsync(
        IRepositoryContent backing, Manifest manifest, CancellationToken cancellationToken)
    {
        if (manifest.Config is not { } config || config.Size > ImageConfigReader.MaxBytes) return default;
        if (!ManifestKinds.MayBeImage(manifest)) return default;
        var opened = await backing.OpenBlobAsync(config.Digest, BlobUse.Whole, cancellationToken);
        if (opened is not Result<IContent>.Found { Value: var found }) return (null, (opened as Result<IContent>.Unavailable)?.Why);
        await using var content = found;
        try
        {
            var bytes = await content.ReadAsync(ImageConfigReader.MaxBytes, cancellationToken);
            return (bytes is null ? null : ImageConfigReader.Read(bytes), null);
        }
        catch (IOException e)
        {
            return (null, $"{config.Digest} could not be read: {e.Message}");
        }
    }
}
