using System.Text.Json;
using BitFaster.Caching.Lru;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>What a list shows of a manifest.</summary>
/// <param name="Platforms">Such as <c>linux/arm64/v8</c>; empty when none is stated.</param>
/// <param name="Size">Bytes of its config and layers; of an index, of the images below it that are stored.</param>
/// <param name="Created">When the image was made, as its config says; null when it does not.</param>
internal sealed record ManifestFacts(IReadOnlyList<string> Platforms, long Size, DateTimeOffset? Created);

/// <summary>Reads facts from manifests and configs. They are cached by digest, because they cannot change.</summary>
internal sealed class ManifestReadings
{
    // Most characters of an operating system, architecture or variant. Chosen: those that Go knows have at most 11.
    private const int MostOfPart = 64;

    // About 300 bytes each.
    private const int Most = 20_000;

    // A list reads no larger config; those of images have some KiB.
    private const int MaxConfig = 256 << 10;

    // Images of an index that a list measures. Docker's official images have at most 12, and an attestation for each.
    private const int MostChildren = 32;

    private readonly ConcurrentLru<Digest, ManifestFacts> _facts = new(Most);

    /// <summary>The facts of a manifest of a repository.</summary>
    public async ValueTask<ManifestFacts> OfAsync(Inspection inspection, StoredManifest stored, CancellationToken cancellationToken)
    {
        if (_facts.TryGet(stored.Digest, out var known)) return known;
        var manifest = stored.Manifest;
        if (manifest.IsIndex) return await OfIndexAsync(inspection, manifest, cancellationToken);
        var size = Sizes.Sum(manifest.Blobs.Select(static blob => blob.Size));
        if (manifest.Config is not { } config || !ManifestKinds.MayBeImage(manifest)) return Keep(stored.Digest, new([], size, null));
        // A config that is not here yet may be here later.
        if (config.Size > MaxConfig || await inspection.ReadBlobAsync(config.Digest, MaxConfig, cancellationToken) is not { } bytes)
            return new([], size, null);
        var read = ImageConfigReader.Read(bytes);
        string[] platforms = read is null || read.Os.Length == 0 ? [] : [TextOf(read.Os, read.Architecture, read.Variant)];
        return Keep(stored.Digest, new(platforms, size, CreatedOf(bytes)));
    }

    /// <summary>A platform as people write it. Each part is cut to <see cref="MostOfPart"/> characters.</summary>
    public static string TextOf(string os, string architecture, string? variant) =>
        variant is null ? $"{Cut(os)}/{Cut(architecture)}" : $"{Cut(os)}/{Cut(architecture)}/{Cut(variant)}";

    private static string Cut(string part) => part.Length <= MostOfPart ? part : part[..MostOfPart];

    /// <summary>Whether an entry of an index is an image, and not BuildKit's attestation about one.</summary>
    public static bool IsImage(Descriptor child) =>
        child.Platform is not { Os: "unknown" } && MediaTypes.IsManifest(child.MediaType);

    private async ValueTask<ManifestFacts> OfIndexAsync(Inspection inspection, Manifest index, CancellationToken cancellationToken)
    {
        var (size, platforms) = (0L, new List<string>());
        DateTimeOffset? created = null;
        foreach (var child in index.Children.Where(IsImage).Take(MostChildren))
        {
            if (child.Platform is { } platform) platforms.Add(TextOf(platform.Os, platform.Architecture, platform.Variant));
            if (await inspection.ReadAsync(child.Digest, cancellationToken) is not { Manifest.IsIndex: false } image) continue;
            var facts = await OfAsync(inspection, image, cancellationToken);
            (size, created) = (Sizes.Add(size, facts.Size), created ?? facts.Created);
            if (child.Platform is null) platforms.AddRange(facts.Platforms);
        }
        return new([.. platforms.Distinct()], size, created);
    }

    private ManifestFacts Keep(Digest digest, ManifestFacts facts)
    {
        _facts.AddOrUpdate(digest, facts);
        return facts;
    }

    private static DateTimeOffset? CreatedOf(byte[] config)
    {
        try
        {
            using var document = JsonDocument.Parse(config);
            return document.RootElement.TryGetProperty("created", out var at) && at.ValueKind == JsonValueKind.String
                && at.TryGetDateTimeOffset(out var moment) ? moment : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
