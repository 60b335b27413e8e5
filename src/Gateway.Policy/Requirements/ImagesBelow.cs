namespace Gateway.Policy;

/// <summary>One image that a manifest offers: itself, or an entry of an index.</summary>
/// <param name="Digest">The image's manifest.</param>
/// <param name="Entry">The entry of the index; null for the manifest itself.</param>
/// <param name="Config">The fields of its config; null when the config is not stored or cannot be read.</param>
/// <param name="IsHere">Whether the repository has its manifest.</param>
internal sealed record ListedImage(Digest Digest, Descriptor? Entry, ImageConfig? Config, bool IsHere)
{
    /// <summary>
    /// The platform of the image: from its config, or from the index entry for an image that is not stored yet; that image is evaluated
    /// again when it is pulled. Null when unknown.
    /// </summary>
    public Platform? Platform => Config is { } config
        ? new(config.Os, config.Architecture, config.Variant)
        : IsHere ? null : Entry?.Platform;
}

/// <summary>The images that a manifest offers.</summary>
internal static class ImagesBelow
{
    // BuildKit writes this for the entry of an attestation.
    private const string Unknown = "unknown";

    /// <summary>
    /// The image itself, or every image that an index lists, directly or through another index. Evidence and other artifacts are not
    /// images.
    /// </summary>
    public static IEnumerable<ListedImage> Of(PolicyInput input, Digest digest, Manifest manifest)
    {
        var configs = input.Facts.Configs;
        if (!manifest.IsIndex)
            return input.KindOf(manifest) == ManifestKind.Image ? [new(digest, null, configs.GetValueOrDefault(digest), IsHere: true)] : [];
        var known = input.Descendants.DistinctBy(static d => d.Digest).ToDictionary(static d => d.Digest, static d => d.Manifest);
        return from entry in Entries(manifest, known)
               where known.TryGetValue(entry.Digest, out var child) ? input.KindOf(child) == ManifestKind.Image : MayBeImage(entry)
               select new ListedImage(
                   entry.Digest, entry, configs.GetValueOrDefault(entry.Digest), known.ContainsKey(entry.Digest));
    }

    /// <summary>
    /// The images below an index that the repository has; empty for a manifest that is not an index. Requirements for images apply to each
    /// of these: a pusher can put an index above any image, and the index can contradict its images.
    /// </summary>
    public static IEnumerable<(Digest Digest, Manifest Manifest)> Here(Evaluation evaluation) => !evaluation.Manifest.IsIndex ? []
        : evaluation.Input.Descendants.Where(child => evaluation.Input.KindOf(child.Manifest) == ManifestKind.Image)
            .DistinctBy(static child => child.Digest);

    private static bool MayBeImage(Descriptor entry) =>
        !MediaTypes.IsIndex(entry.MediaType) && entry.Platform is { } platform && platform.Os != Unknown;

    // Each index once, so that shared parts of the graph and cycles of two digest algorithms terminate.
    private static List<Descriptor> Entries(Manifest index, Dictionary<Digest, Manifest> known)
    {
        var entries = new List<Descriptor>();
        var seen = new HashSet<Digest>();
        var open = new Queue<Manifest>([index]);
        while (open.TryDequeue(out var next))
        {
            foreach (var entry in next.Children.Where(entry => seen.Add(entry.Digest)))
            {
                if (known.TryGetValue(entry.Digest, out var child) && child.IsIndex) open.Enqueue(child);
                else entries.Add(entry);
            }
        }
        return entries;
    }
}
