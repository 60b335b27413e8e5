namespace Gateway.Policy.Signatures;

/// <summary>
/// All evidence about one subject, read once within <see cref="EvidenceBudget"/> for any number of requirements. The order of the evidence
/// makes no difference.
/// </summary>
internal sealed class EvidenceSet
{
    private readonly ImmutableArray<Part> _parts;

    private EvidenceSet(ImmutableArray<Part> parts, VerifiedSignatures verified) => (_parts, Found, IsTruncated, Verified) =
        (parts, [.. parts.SelectMany(static part => part.Found)], parts.Any(static part => part.IsTruncated), verified);

    private sealed record Part(RepositoryName? Repository, ImmutableArray<FoundSignature> Found, bool IsTruncated);

    public static EvidenceSet Empty { get; } = new([], new());

    /// <summary>
    /// The signatures: the first of each manifest before the second of any, and those in the image's own repository first.
    /// </summary>
    public ImmutableArray<FoundSignature> Found { get; }

    /// <summary>Whether there was more evidence than the budget allows.</summary>
    public bool IsTruncated { get; }

    /// <summary>The results of verifying these signatures so far.</summary>
    public VerifiedSignatures Verified { get; }

    /// <summary>
    /// Reads evidence by repository, the newest first, and one layer of every manifest before the next layer of any: when there is more
    /// than the budget allows, no manifest hides the others by its size. Each repository has the whole budget, so evidence in one hides
    /// nothing in another.
    /// </summary>
    public static EvidenceSet Read(IReadOnlyCollection<Evidence> evidence) => new(
        [
            .. evidence.GroupBy(static one => one.Repository).OrderBy(static group => group.Key?.Value, StringComparer.Ordinal)
                .Select(ReadPart),
        ],
        new());

    /// <summary>
    /// The evidence that can count for an authority: in the image's own repository, and in those that the authority names.
    /// </summary>
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

    // A signer with cosign 2 writes all earlier signatures again: each counts once, from when it was first seen. A copy that could not be
    // read stands for none.
    private static List<EvidenceLayer> Distinct(IEnumerable<Evidence> evidence)
    {
        var layers = new List<EvidenceLayer>();
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var layer in evidence.SelectMany(EvidenceLayer.Of).OrderBy(static layer => layer.Position))
        {
            if (places.TryAdd(layer.Content, layers.Count))
            {
                layers.Add(layer);
                continue;
            }
            var same = layers[places[layer.Content]];
            var first = layer.FirstSeen < same.FirstSeen ? layer.FirstSeen : same.FirstSeen;
            layers[places[layer.Content]] = (same.Bytes is null ? layer : same) with { FirstSeen = first };
        }
        return layers;
    }
}

/// <summary>One layer of evidence that should contain a signature.</summary>
/// <param name="Position">Position of the layer in the manifest, from 0.</param>
/// <param name="FirstSeen">When this gateway first saw the layer with these annotations.</param>
/// <param name="Bytes">The layer's bytes; null when they are not stored.</param>
internal sealed record EvidenceLayer(
    Digest Evidence, int Position, Descriptor Descriptor, Manifest Manifest, DateTimeOffset FirstSeen, ReadOnlyMemory<byte>? Bytes)
{
    /// <summary>Whether the manifest has a subject.</summary>
    public bool IsReferrer => Manifest.Subject is not null;

    /// <summary>Equal for two layers with the same signature: bytes, form and annotations; for Notation the whole manifest.</summary>
    public string Content { get; } = EvidenceTypes.IsNotation(Descriptor.MediaType) ? $"{Evidence} {Position}" : string.Join(
        '\n', Descriptor.Annotations.Select(static a => $"{a.Key.Length} {a.Key}{a.Value.Length} {a.Value}")
            .Prepend($"{Descriptor.MediaType} {Descriptor.Digest} {Manifest.Subject is not null}"));

    /// <summary>The layers of a manifest that can contain signatures, by the manifest's own fields.</summary>
    public static IEnumerable<EvidenceLayer> Of(Evidence evidence) =>
        from layer in evidence.Manifest.Layers.Index()
        where EvidenceTypes.HoldsSignature(layer.Item.MediaType)
        select new EvidenceLayer(
            evidence.Digest, layer.Index, layer.Item, evidence.Manifest, evidence.FirstSeen,
            evidence.Blobs.TryGetValue(layer.Item.Digest, out var bytes) ? bytes : NoBytes.Here);
}
