using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>
/// What an upstream is to have: manifests in an order in which each finds there what it names, evidence after what it is about, and the
/// tags that are bound to them, which come last.
/// </summary>
internal sealed record Publication(ImmutableArray<Published> Manifests)
{
    public ImmutableHashSet<Digest> Digests { get; } = [.. Manifests.Select(m => m.Manifest.Digest)];

    public bool IsEmpty => Manifests.IsEmpty;

    /// <summary>The blobs that they name and that are not elsewhere on the network, each once.</summary>
    public IEnumerable<Descriptor> Blobs =>
        Manifests.SelectMany(m => m.Manifest.Manifest.AllBlobs).Where(b => b.Urls.IsEmpty).DistinctBy(b => b.Digest);

    /// <summary>The requests that bring it about, in their order: no tag is bound before all that it stands for is there.</summary>
    public IEnumerable<(Reference Reference, StoredManifest Manifest)> Steps()
    {
        foreach (var item in Manifests)
        {
            // The last one's tag brings it itself.
            if (item.Tags.IsEmpty || item != Manifests[^1]) yield return (new(item.Manifest.Digest), item.Manifest);
        }
        foreach (var item in Manifests.OrderByDescending(m => m.IsEvidence))
        {
            foreach (var tag in item.Tags) yield return (new(tag), item.Manifest);
        }
    }
}

/// <summary>One manifest of a publication.</summary>
/// <param name="Tags">The tags to bind to it.</param>
/// <param name="IsEvidence">Whether it says something about another.</param>
internal sealed record Published(StoredManifest Manifest, ImmutableArray<TagName> Tags, bool IsEvidence);
