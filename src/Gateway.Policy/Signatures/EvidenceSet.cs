using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy.Signatures;

/// <summary>
/// All evidence about one subject, read once within <see cref="EvidenceBudget"/> for any number of requirements. In what order it comes
/// makes no difference.
/// </summary>
internal sealed class EvidenceSet
{
    private readonly ImmutableArray<Part> _parts;

    private EvidenceSet(ImmutableArray<Part> parts, VerifiedSignatures verified) => (_parts, Found, IsTruncated, Verified) =
        (parts, [.. parts.SelectMany(static part => part.Found)], parts.Any(static part => part.IsTruncated), verified);

    private sealed record Part(RepositoryName? Repository, ImmutableArray<FoundSignature> Found, bool IsTruncated);

    /// <summary>No evidence.</summary>
    public static EvidenceSet Empty { get; } = new([], new());

    /// <summary>The signatures, the first of each manifest before the second of any; those in the image's own repository first.</summary>
    public ImmutableArray<FoundSignature> Found { get; }

    /// <summary>Whether there was more than the budget allows.</summary>
    public bool IsTruncated { get; }

    /// <summary>What verification of these signatures has found so far.</summary>
    public VerifiedSignatures Verified { get; }

    /// <summary>
    /// Reads evidence by place, the newest first, and of every manifest a layer before the next of any: when there is more than the budget
    /// allows, none hides the others by its size. Each repository has the whole budget: what lies in one hides nothing in another.
    /// </summary>
    public static EvidenceSet Read(IReadOnlyCollection<Evidence> evidence) => new(
        [
            .. evidence.GroupBy(static one => one.Repository).OrderBy(static group => group.Key?.Value, StringComparer.Ordinal)
                .Select(ReadPart),
        ],
        new());

    /// <summary>What may count for an authority: evidence in the image's own repository, and in those that the authority names.</summary>
    public EvidenceSet For(AuthorityOptions authority)
    {
        return _parts.All(IsFor) ? this : new([.. _parts.Where(IsFor)], Verified);

        bool IsFor(Part part) =>
            part.Repository is not { } repository || authority.SignatureRepositories.Contains(repository);
    }

    private static Part ReadPart(IGrouping<RepositoryName?, Evidence> evidence)
    {
        var first = evidence
            .OrderBy(static one => one.Place).ThenByDescending(static one => one.FirstSeen).ThenBy(static one => one.Digest);
        var layers = Distinct(first.Take(EvidenceBudget.MaxManifests));
        var found = ImmutableArray.CreateBuilder<FoundSignature>();
        long bytes = 0;
        foreach (var layer in layers)
        {
            bytes += layer.Bytes?.Length ?? 0;
            if (found.Count == EvidenceBudget.MaxSignatures || bytes > EvidenceBudget.MaxBytes) break;
            found.Add(LayerReader.Read(layer) with { Repository = evidence.Key });
        }
        var isTruncated = evidence.Count() > EvidenceBudget.MaxManifests || found.Count < layers.Count;
        return new(evidence.Key, found.ToImmutable(), isTruncated);
    }

    // A signer of cosign 2 writes all earlier signatures again: each counts once, from when it was first seen.
    private static List<EvidenceLayer> Distinct(IEnumerable<Evidence> evidence)
    {
        var layers = new List<EvidenceLayer>();
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var layer in evidence.SelectMany(EvidenceLayer.Of).OrderBy(static layer => layer.Position))
        {
            if (places.TryAdd(layer.Content, layers.Count)) layers.Add(layer);
            else if (layers[places[layer.Content]] is var same && layer.FirstSeen < same.FirstSeen)
                layers[places[layer.Content]] = same with { FirstSeen = layer.FirstSeen };
        }
        return layers;
    }
}

/// <summary>One layer of evidence that should hold a signature.</summary>
/// <param name="Evidence">The manifest's digest.</param>
/// <param name="Position">Which of its layers, from 0.</param>
/// <param name="Descriptor">The layer.</param>
/// <param name="Manifest">The manifest.</param>
/// <param name="FirstSeen">When the layer was first seen here, with these annotations.</param>
/// <param name="Bytes">The layer's bytes; null when they are not here.</param>
internal sealed record EvidenceLayer(
    Digest Evidence, int Position, Descriptor Descriptor, Manifest Manifest, DateTimeOffset FirstSeen, ReadOnlyMemory<byte>? Bytes)
{
    /// <summary>Whether the manifest has a subject.</summary>
    public bool IsReferrer => Manifest.Subject is not null;

    /// <summary>
    /// What makes two layers the same signature: bytes, form, and all that is said beside them, which of Notation's is the whole manifest.
    /// </summary>
    public string Content { get; } = EvidenceTypes.IsNotation(Descriptor.MediaType) ? $"{Evidence} {Position}" : string.Join(
        '\n', Descriptor.Annotations.Select(static a => $"{a.Key.Length} {a.Key}{a.Value.Length} {a.Value}")
            .Prepend($"{Descriptor.MediaType} {Descriptor.Digest} {Manifest.Subject is not null}"));

    /// <summary>The layers of a manifest that may hold signatures, by the manifest's own fields.</summary>
    public static IEnumerable<EvidenceLayer> Of(Evidence evidence) =>
        from layer in evidence.Manifest.Layers.Index()
        where EvidenceTypes.HoldsSignature(layer.Item.MediaType)
        select new EvidenceLayer(
            evidence.Digest, layer.Index, layer.Item, evidence.Manifest, evidence.FirstSeen,
            evidence.Blobs.TryGetValue(layer.Item.Digest, out var bytes) ? bytes : NoBytes.Here);
}
