using Gateway.Policy.Media;
using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>
/// The input of one evaluation: can this manifest be here at this time? It contains everything that the verdict depends on.
/// </summary>
/// <param name="Repository">The name that clients use.</param>
/// <param name="Tag">The tag to bind or the requested tag; null for a request by digest.</param>
/// <param name="Descendants">For an index, every manifest below it that the repository has.</param>
public sealed record PolicyInput(
    RepositoryName Repository, TagName? Tag, Stage Stage, Digest Digest, Manifest Manifest,
    ImmutableArray<(Digest Digest, Manifest Manifest)> Descendants)
{
    /// <summary>
    /// The sha256 digest of the manifest's bytes when <see cref="Digest"/> is another one: evidence about one is about the other too.
    /// Empty when they are the same.
    /// </summary>
    public Digest Canonical { get; init; }

    /// <summary>The repository that evidence is read from, and must be pushed to; null for <see cref="Repository"/> itself.</summary>
    public RepositoryName? EvidenceFrom { get; init; }

    /// <summary>The time of the evaluation; the only clock of the engine.</summary>
    public DateTimeOffset Now { get; init; }

    /// <summary>Further facts: those that <see cref="PolicyEngine.Needs"/> names. Others can be absent.</summary>
    public PolicyFacts Facts { get; init; } = PolicyFacts.None;

    /// <summary>Results of earlier evaluations of the same manifest; null to share nothing.</summary>
    public SharedFindings? Shared { get; init; }

    /// <summary>
    /// What the layers are of the manifests here that have the form of evidence (<see cref="ManifestKinds.HasFormOfEvidence"/>), by the
    /// blob's digest. Layers that could not be read are absent; their manifest is evaluated as an image.
    /// </summary>
    public ImmutableDictionary<Digest, DocumentForm> Documents { get; init; } = ImmutableDictionary<Digest, DocumentForm>.Empty;

    /// <summary>
    /// Why some of these layers could not be read: the upstream or the disk failed. One line; null when all were read. A manifest that is
    /// then refused as an image could be evidence.
    /// </summary>
    public string? DocumentsUnread { get; init; }

    /// <summary>
    /// The kind of a manifest of this input, by its form, by the bytes of evidence and, for an index, by the manifests below it.
    /// </summary>
    public ManifestKind KindOf(Manifest manifest) => ManifestKinds.Of(manifest, Documents, EvidenceBelow());

    // Computed once for the input: an index can list a thousand indexes, and the kind of each depends on the manifests below it.
    private IReadOnlySet<Digest> EvidenceBelow()
    {
        if (_evidence is { } known && known.Of == Descendants && known.By == Documents) return known.Digests;
        var read = new ReadBelow(Descendants, Documents, ManifestKinds.EvidenceAmong(Descendants, Documents));
        _evidence = read;
        return read.Digests;
    }

    private ReadBelow? _evidence;

    private sealed record ReadBelow(
        ImmutableArray<(Digest Digest, Manifest Manifest)> Of, ImmutableDictionary<Digest, DocumentForm> By, IReadOnlySet<Digest> Digests);
}

/// <summary>
/// Shared between several evaluations of one manifest: which signatures count depends neither on the tag nor on the stage, and a push can
/// have ten tags. For evaluations of one repository at one time, one after the other.
/// </summary>
public sealed class SharedFindings
{
    private EvidenceSets? _sets;

    /// <summary>The evidence of an input; the one of the previous input when nothing that it depends on has changed.</summary>
    internal EvidenceSets SetsOf(PolicyInput input) => _sets is { } known && known.IsOf(input) ? known : _sets = new(input);
}

/// <summary>The facts that an evaluation needs. Other facts need not be read.</summary>
[Flags]
public enum FactKinds
{
    /// <summary>The documents alone.</summary>
    None = 0,

    /// <summary><see cref="PolicyFacts.Evidence"/>.</summary>
    Evidence = 1,

    /// <summary><see cref="PolicyFacts.FirstSeen"/>.</summary>
    FirstSeen = 2,

    /// <summary><see cref="PolicyFacts.Configs"/>.</summary>
    Configs = 4,

    /// <summary><see cref="PolicyFacts.Contents"/>.</summary>
    Contents = 8,

    /// <summary><see cref="PolicyFacts.TagHistory"/>.</summary>
    TagHistory = 16,

    /// <summary><see cref="PolicyFacts.Above"/>.</summary>
    Above = 32,

    /// <summary><see cref="Contents"/> of absent blobs too: an enforced rule admits only content that was checked.</summary>
    AbsentContents = 64,

    /// <summary><see cref="Contents"/> of every layer of an image, whatever its media type claims: clients unpack them all.</summary>
    LayerContents = 128,
}

/// <summary>The facts beyond the documents. The closure is the manifest, everything below it, and the indexes above it.</summary>
public sealed record PolicyFacts
{
    /// <summary>Nothing beyond the documents.</summary>
    public static PolicyFacts None { get; } = new();

    /// <summary>
    /// Evidence about each manifest of the closure, by its digest: newest first, within <see cref="EvidenceBudget"/>. A digest without
    /// evidence can be absent.
    /// </summary>
    public ImmutableDictionary<Digest, ImmutableArray<Evidence>> Evidence { get; init; } =
        ImmutableDictionary<Digest, ImmutableArray<Evidence>>.Empty;

    /// <summary>Manifests with more evidence than the budget allows to read.</summary>
    public ImmutableHashSet<Digest> BeyondBudget { get; init; } = [];

    /// <summary>
    /// Why there can be more evidence: an upstream did not answer, or bytes could not be read. One line; null when all evidence was read.
    /// Otherwise missing evidence is not known to be missing.
    /// </summary>
    public string? EvidenceUnread { get; init; }

    /// <summary>The same for <see cref="Configs"/>.</summary>
    public string? ConfigsUnread { get; init; }

    /// <summary>
    /// When the repository first saw each manifest of the closure. An absent one counts as seen at <see cref="PolicyInput.Now"/>.
    /// </summary>
    public ImmutableDictionary<Digest, DateTimeOffset> FirstSeen { get; init; } = ImmutableDictionary<Digest, DateTimeOffset>.Empty;

    /// <summary>
    /// The config of each image of the closure and of <see cref="TagHistory"/>, by its manifest's digest; absent when the config's bytes
    /// are not stored.
    /// </summary>
    public ImmutableDictionary<Digest, ImageConfig> Configs { get; init; } = ImmutableDictionary<Digest, ImageConfig>.Empty;

    /// <summary>
    /// What the bytes are of each layer and config of the closure whose media type claims anything (<see cref="Media.MediaClaims"/>), by
    /// the blob's digest; absent when they are not stored.
    /// </summary>
    public ImmutableDictionary<Digest, Content> Contents { get; init; } = ImmutableDictionary<Digest, Content>.Empty;

    /// <summary>What the tag is and was bound to, newest first; empty for a new tag.</summary>
    public ImmutableArray<TagBinding> TagHistory { get; init; } = [];

    /// <summary>The indexes of this repository that name the manifest, directly or through another index.</summary>
    public ImmutableArray<(Digest Digest, Manifest Manifest)> Above { get; init; } = [];
}

/// <summary>The fields of an image config (image-spec, config.md), read from its bytes.</summary>
/// <param name="Os">Operating system, by the names of Go; empty when absent.</param>
/// <param name="Architecture">Processor, by the names of Go; empty when absent.</param>
/// <param name="Variant">Variant of the processor; null when absent.</param>
public sealed record ImageConfig(string Os, string Architecture, string? Variant)
{
    /// <summary>The image's labels.</summary>
    public ImmutableSortedDictionary<string, string> Labels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>The digests of the decompressed layers, in order.</summary>
    public ImmutableArray<Digest> DiffIds { get; init; } = [];
}

/// <summary>One binding of a tag to a manifest.</summary>
/// <param name="Manifest">Its document; null when it is no longer stored.</param>
public sealed record TagBinding(Digest Digest, Manifest? Manifest);
