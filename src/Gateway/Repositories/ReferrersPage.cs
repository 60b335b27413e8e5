using Gateway.Storage;

namespace Gateway.Repositories;

internal sealed record ReferrersPage(IReadOnlyList<Descriptor> Items, bool More)
{
    /// <summary>
    /// Largest page: the size up to which every client must accept a manifest (distribution-spec, "Pushing Manifests").
    /// </summary>
    private const int MaxBytes = 4 << 20;

    /// <summary>The page after a digest, of one artifact type where one is given.</summary>
    public static ReferrersPage Cut(IReadOnlyList<Descriptor> all, string? artifactType, string? last)
    {
        var page = new List<Descriptor>();
        var bytes = 0;
        foreach (var referrer in all)
        {
            if (last is not null && string.CompareOrdinal(referrer.Digest.ToString(), last) <= 0) continue;
            if (artifactType is not null && referrer.ArtifactType != artifactType) continue;
            bytes += ReferrerFile.Write(referrer).Length + 1;
            if (bytes > MaxBytes && page.Count > 0) return new(page, true);
            page.Add(referrer);
        }
        return new(page, false);
    }
}
