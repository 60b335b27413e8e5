using System.Collections.Immutable;
using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>
/// What the upstream must receive: manifests, each after the manifests that it names; evidence after its subject; and last the tags that
/// are bound to them.
/// </summary>
internal sealed record Publication(ImmutableArray<Published> Manifests)
{
    public ImmutableHashSet<Digest> Digests { get; } = [.. Manifests.Select(m => m.Manifest.Digest)];

    public bool IsEmpty => Manifests.IsEmpty;

    /// <summary>The blobs that the manifests name, each once, except those with URLs of their own.</summary>
    public IEnumerable<Descriptor> Blobs =>
        Manifests.SelectMany(m => m.Manifest.Manifest.AllBlobs).Where(b => b.Urls.IsEmpty).DistinctBy(b => b.Digest);

    /// <summary>The requests to send, in order: no tag is sent before everything that it stands for.</summary>
    public IEnumerable<(Reference Reference, StoredManifest Manifest)> Steps()
    {
        foreach (var item in Manifests)
        {
            // The request for the last manifest's tag also sends the manifest.
            if (item.Tags.IsEmpty || item != Manifests[^1]) yield return (new(item.Manifest.Digest), item.Manifest);
        }
        foreach (var item in Manifests.OrderByDescending(m => m.IsEvidence))
        {
            foreach (var tag in item.Tags) yield return (new(tag), item.Manifest);
        }
    }
}

/// <param name="Tags">The tags to bind to it.</param>
/// <param name="IsEvidence">Whether it is evidence about another manifest.</param>
internal sealed record Published(StoredManifest Manifest, ImmutableArray<TagName> Tags, bool IsEvidence);
