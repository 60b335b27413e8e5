using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy.Media;
using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>One question: may this manifest be here, at this moment? All that the answer rests on is in it.</summary>
/// <param name="Repository">The name clients use.</param>
/// <param name="Tag">The tag to bind or asked for; null by digest.</param>
/// <param name="Stage">When.</param>
/// <param name="Digest">The manifest's digest.</param>
/// <param name="Manifest">The manifest.</param>
/// <param name="Descendants">For an index, every manifest below it that the repository holds.</param>
public sealed record PolicyInput(
    RepositoryName Repository, TagName? Tag, Stage Stage, Digest Digest, Manifest Manifest,
    ImmutableArray<(Digest Digest, Manifest Manifest)> Descendants)
{
    /// <summary>
    /// The sha256 digest of the manifest's bytes where <see cref="Digest"/> is another: evidence about the one is about the other. Empty
    /// where they are the same.
    /// </summary>
    public Digest Canonical { get; init; }

    /// <summary>Where evidence is taken from, and so belongs; null for <see cref="Repository"/> itself.</summary>
    public RepositoryName? EvidenceFrom { get; init; }

    /// <summary>The moment of the question; the only clock the engine knows.</summary>
    public DateTimeOffset Now { get; init; }

    /// <summary>What else is known: what <see cref="PolicyEngine.Needs"/> asks for, the rest may be left out.</summary>
    public PolicyFacts Facts { get; init; } = PolicyFacts.None;

    /// <summary>What earlier questions about the same manifest found out; null to share nothing with them.</summary>
    public SharedFindings? Shared { get; init; }

    /// <summary>
    /// What the layers are of the manifests here that have the form of evidence (<see cref="ManifestKinds.HasFormOfEvidence"/>), by the
    /// blob's digest; absent where they could not be read: then the manifest is judged as an image.
    /// </summary>
    public ImmutableDictionary<Digest, DocumentForm> Documents { get; init; } = ImmutableDictionary<Digest, DocumentForm>.Empty;

    /// <summary>
    /// Why some of these layers could not be read: an upstream did not answer, or the disk did not. One line; null where all were. What is
    /// refused then, as an image, may be evidence.
    /// </summary>
    public string? DocumentsUnread { get; init; }

    /// <summary>
    /// The kind of a manifest of this question, told by its form, by the bytes of evidence and, for an index, by what is below it.
    /// </summary>
    public ManifestKind KindOf(Manifest manifest) => ManifestKinds.Of(manifest, Documents, EvidenceBelow());

    // Read once for the question: an index may list a thousand indexes, and each of them is told by what is below.
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
/// What several questions about one manifest share: which signatures count does not depend on the tag or the stage, and a push may bring
/// ten tags. For questions of one repository at one moment, asked one after the other.
/// </summary>
public sealed class SharedFindings
{
    private EvidenceSets? _sets;

    /// <summary>The evidence of a question; that of the one before where nothing that it rests on has changed.</summary>
    internal EvidenceSets SetsOf(PolicyInput input) => _sets is { } known && known.IsOf(input) ? known : _sets = new(input);
}

/// <summary>Which facts a question needs. Nothing else need be read.</summary>
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

    /// <summary>
    /// <see cref="Contents"/> of what is not here too: a rule that is enforced lets nobody have what has not been looked at.
    /// </summary>
    AbsentContents = 64,

    /// <summary><see cref="Contents"/> of every layer of an image, whatever its media type claims: clients unpack them all.</summary>
    LayerContents = 128,
}

/// <summary>What is known beyond the documents. The closure is the manifest, all below it, and the indexes above it.</summary>
public sealed record PolicyFacts
{
    /// <summary>Nothing beyond the documents.</summary>
    public static PolicyFacts None { get; } = new();

    /// <summary>
    /// What says something about each manifest of the closure, by its digest: newest first, within <see cref="EvidenceBudget"/>; a digest
    /// without any may be left out.
    /// </summary>
    public ImmutableDictionary<Digest, ImmutableArray<Evidence>> Evidence { get; init; } =
        ImmutableDictionary<Digest, ImmutableArray<Evidence>>.Empty;

    /// <summary>Manifests about which there is more evidence than the budget lets be read.</summary>
    public ImmutableHashSet<Digest> BeyondBudget { get; init; } = [];

    /// <summary>
    /// Why there may be more evidence than this: an upstream did not answer, or bytes could not be read. One line; null where all was
    /// looked at. What is missing then is not known to be missing.
    /// </summary>
    public string? EvidenceUnread { get; init; }

    /// <summary>The same of <see cref="Configs"/>.</summary>
    public string? ConfigsUnread { get; init; }

    /// <summary>
    /// When the repository first saw each manifest of the closure. One that is missing here is as old as <see cref="PolicyInput.Now"/>.
    /// </summary>
    public ImmutableDictionary<Digest, DateTimeOffset> FirstSeen { get; init; } = ImmutableDictionary<Digest, DateTimeOffset>.Empty;

    /// <summary>
    /// The config of each image of the closure and of <see cref="TagHistory"/>, by its manifest's digest; absent where the config's bytes
    /// are not here.
    /// </summary>
    public ImmutableDictionary<Digest, ImageConfig> Configs { get; init; } = ImmutableDictionary<Digest, ImageConfig>.Empty;

    /// <summary>
    /// What the bytes of each layer and config of the closure really are whose media type claims anything
    /// (<see cref="Media.MediaClaims"/>), by the blob's digest; absent where they are not here.
    /// </summary>
    public ImmutableDictionary<Digest, Content> Contents { get; init; } = ImmutableDictionary<Digest, Content>.Empty;

    /// <summary>What the tag is and was bound to, newest first; empty for a tag that never was.</summary>
    public ImmutableArray<TagBinding> TagHistory { get; init; } = [];

    /// <summary>The indexes of this repository that name the manifest, directly or through another index.</summary>
    public ImmutableArray<(Digest Digest, Manifest Manifest)> Above { get; init; } = [];
}

/// <summary>What an image's config says (image-spec, config.md), read from its bytes.</summary>
/// <param name="Os">Operating system, in Go's names; empty when it says none.</param>
/// <param name="Architecture">Processor, in Go's names; empty when it says none.</param>
/// <param name="Variant">Variant of the processor, where said.</param>
public sealed record ImageConfig(string Os, string Architecture, string? Variant)
{
    /// <summary>The image's labels.</summary>
    public ImmutableSortedDictionary<string, string> Labels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>The digests of the layers, decompressed, in order.</summary>
    public ImmutableArray<Digest> DiffIds { get; init; } = [];
}

/// <summary>That a tag was bound to a manifest.</summary>
/// <param name="Digest">The manifest.</param>
/// <param name="Manifest">Its document; null when it is no longer here.</param>
public sealed record TagBinding(Digest Digest, Manifest? Manifest);
