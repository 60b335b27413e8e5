using System.Collections.Immutable;
using System.Text.Json;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Reads what an image's config says (image-spec, config.md).</summary>
internal static class ImageConfigs
{
    /// <summary>Largest config that is read: the size up to which every client must accept a manifest (distribution-spec).</summary>
    private const int MaxBytes = 4 << 20;

    /// <summary>Most labels and layers that are looked at. Chosen: far above what images have.</summary>
    private const int MaxItems = 10_000;

    /// <summary>Null for what is no image, and where the config is not here or is none.</summary>
    public static async ValueTask<ImageConfig?> ReadAsync(IBacking backing, Manifest manifest, CancellationToken cancellationToken)
    {
        if (manifest.Config is not { } config || ManifestKinds.Of(manifest) != ManifestKind.Image || config.Size > MaxBytes) return null;
        if (await backing.OpenBlobAsync(config.Digest, BlobUse.Whole, cancellationToken) is not Result<IContent>.Found { Value: var content })
            return null;
        await using var opened = content;
        try
        {
            return await content.ReadAsync(MaxBytes, cancellationToken) is { } bytes ? Parse(bytes) : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static ImageConfig? Parse(byte[] bytes)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes);
            var root = document.RootElement;
            return new(Text(root, "os") ?? "", Text(root, "architecture") ?? "", Text(root, "variant"))
            {
                Labels = Labels(root),
                DiffIds = [.. DiffIds(root)],
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string? Text(JsonElement of, string name) =>
        of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static ImmutableSortedDictionary<string, string> Labels(JsonElement root)
    {
        var labels = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        if (root.TryGetProperty("config", out var config) && config.ValueKind == JsonValueKind.Object
            && config.TryGetProperty("Labels", out var found) && found.ValueKind == JsonValueKind.Object)
        {
            foreach (var label in found.EnumerateObject().Take(MaxItems))
            {
                if (label.Value.ValueKind == JsonValueKind.String) labels[label.Name] = label.Value.GetString()!;
            }
        }
        return labels.ToImmutable();
    }

    private static IEnumerable<Digest> DiffIds(JsonElement root)
    {
        if (!root.TryGetProperty("rootfs", out var rootfs) || rootfs.ValueKind != JsonValueKind.Object
            || !rootfs.TryGetProperty("diff_ids", out var ids) || ids.ValueKind != JsonValueKind.Array)
            yield break;
        foreach (var id in ids.EnumerateArray().Take(MaxItems))
        {
            if (id.ValueKind == JsonValueKind.String && Digest.TryParse(id.GetString(), out var digest)) yield return digest;
        }
    }
}
