using System.Collections.Immutable;
using Gateway.Policy;
using Gateway.Policy.Media;
using Gateway.Policy.Signatures;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// One manifest with everything that its verdict may rest on, read once for all stages. It also has the version of the evidence about each
/// of its manifests, as it was before that evidence was read.
/// </summary>
internal sealed partial class Closure
{
    private readonly IBacking _backing;
    private readonly IBacking _bindings;
    private readonly PolicyEngine _engine;
    private readonly BlobContents _contents;
    private readonly TimeProvider _clock;
    private readonly ImmutableArray<EvidenceReader> _readers;
    private readonly Dictionary<Digest, long> _versions = [];
    private readonly Dictionary<TagName, Digest> _bound = [];
    private readonly HashSet<Digest> _configsRead = [];
    private readonly bool _whole;
    private ImmutableDictionary<Digest, ImageConfig> _configs = ImmutableDictionary<Digest, ImageConfig>.Empty;
    private PolicyFacts _facts = PolicyFacts.None;
    private FactKinds _known;
    private string? _configsUnread;

    private Closure(Evaluations shared, IBacking backing, IBacking bindings, StoredManifest manifest, Brought? brought, bool whole)
    {
        (_engine, _contents, _clock) = (shared.Engine, shared.Contents, shared.Clock);
        (_backing, _bindings, Manifest, _whole) = (backing, bindings, manifest, whole);
        _readers =
        [
            new(backing, brought, _clock),
            .. shared.Elsewhere.Select(one => new EvidenceReader(one.Backing, null, _clock, one.Written)),
        ];
        (Canonical, Now) = (CanonicalOf(manifest), _clock.GetUtcNow());
    }

    /// <summary>The time that every evaluation of it uses.</summary>
    public DateTimeOffset Now { get; }

    /// <summary>Results that the evaluations of it share.</summary>
    public SharedFindings Shared { get; } = new();

    public StoredManifest Manifest { get; }

    /// <summary>
    /// The release of the manifest by an operator; null when there is none. A release in the source of a promotion is about the source
    /// alone.
    /// </summary>
    public ManifestRelease? Release => _bindings.ReleaseOf(Manifest.Digest);

    /// <summary>See <see cref="PolicyInput.EvidenceFrom"/>.</summary>
    public RepositoryName? EvidenceFrom { get; set; }

    /// <summary>The account whose turn is used to unpack layers (<see cref="UnpackingTurns"/>).</summary>
    public string Account { get; set; } = UnpackingTurns.Pulls;

    /// <summary>See <see cref="PolicyInput.Canonical"/>.</summary>
    public Digest Canonical { get; }

    /// <summary>
    /// The sha256 digest of a manifest that is stored under another digest; empty when it is stored under its sha256 digest.
    /// </summary>
    public static Digest CanonicalOf(StoredManifest manifest) =>
        manifest.Digest.Algorithm == DigestAlgorithm.Sha256 ? default : Digest.Of(manifest.Bytes.Span);

    /// <summary>Every manifest below an index that the repository has, in the order of the index.</summary>
    public ImmutableArray<(Digest Digest, Manifest Manifest)> Descendants { get; private set; } = [];

    /// <summary>See <see cref="PolicyInput.Documents"/>.</summary>
    public ImmutableDictionary<Digest, DocumentForm> Documents { get; private set; } = ImmutableDictionary<Digest, DocumentForm>.Empty;

    /// <summary>See <see cref="PolicyInput.DocumentsUnread"/>.</summary>
    public string? DocumentsUnread { get; private set; }

    /// <summary>The versions that a change must expect when it rests on a verdict about this manifest.</summary>
    public ImmutableArray<(Digest Subject, long Version)> Versions => [.. _versions.Select(v => (v.Key, v.Value))];

    /// <summary>What each tag whose history was read was bound to: a change that binds one of them must expect that.</summary>
    public ImmutableArray<Expectation> Bound => [.. _bound.Select(b => new Expectation(b.Key, b.Value))];

    /// <param name="bindings">The repository whose tags are read: for a promotion the receiving one.</param>
    /// <param name="brought">Evidence that is not stored yet, but counts.</param>
    /// <param name="whole">Whether manifests below the index that only the upstream has are read too.</param>
    public static async ValueTask<Closure> ReadAsync(
        Evaluations shared, IBacking backing, IBacking bindings, StoredManifest manifest, Brought? brought, bool whole,
        CancellationToken cancellationToken)
    {
        var closure = new Closure(shared, backing, bindings, manifest, brought, whole);
        closure.NoteVersion(manifest.Digest);
        if (!closure.Canonical.IsEmpty) closure.NoteVersion(closure.Canonical);
        closure.Descendants = await closure.ReadDescendantsAsync(cancellationToken);
        foreach (var (digest, _) in closure.Descendants) closure.NoteVersion(digest);
        (closure.Documents, closure.DocumentsUnread) = await shared.Contents.Documents.ReadAsync(
            backing, closure.Descendants.Select(static d => d.Manifest).Append(manifest.Manifest), cancellationToken);
        return closure;
    }

    private void NoteVersion(Digest digest) => _versions.TryAdd(digest, _backing.VersionOf(digest));

    /// <summary>The facts of these kinds, and those that were read earlier.</summary>
    public async ValueTask<PolicyFacts> FactsAsync(FactKinds needs, TagName? tag, CancellationToken cancellationToken)
    {
        var missing = needs & ~_known;
        if (missing.HasFlag(FactKinds.Above)) _facts = _facts with { Above = await ReadAboveAsync(cancellationToken) };
        if (missing.HasFlag(FactKinds.Evidence)) await ReadEvidenceAsync(cancellationToken);
        if (missing.HasFlag(FactKinds.FirstSeen)) _facts = _facts with { FirstSeen = await ReadFirstSeenAsync() };
        if ((missing & (FactKinds.Contents | FactKinds.AbsentContents | FactKinds.LayerContents)) != 0)
            _facts = _facts with { Contents = await ReadContentsAsync(needs, cancellationToken) };
        _known |= missing;
        var history = needs.HasFlag(FactKinds.TagHistory) && tag is { } named ? await ReadHistoryAsync(named, cancellationToken) : [];
        var facts = _facts with { TagHistory = history };
        if (!needs.HasFlag(FactKinds.Configs)) return facts;
        var configs = await ReadConfigsAsync(history, cancellationToken);
        return facts with { Configs = configs, ConfigsUnread = _configsUnread };
    }

    private IEnumerable<(Digest Digest, Manifest Manifest)> All =>
        Named.Select(digest => (digest, Manifest.Manifest)).Concat(Descendants).Concat(_facts.Above);

    /// <summary>The names of the manifest itself.</summary>
    private Digest[] Named => Canonical.IsEmpty ? [Manifest.Digest] : [Manifest.Digest, Canonical];

    private async ValueTask ReadEvidenceAsync(CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(EvidenceBudget.MaxTime, _clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var evidence = ImmutableDictionary.CreateBuilder<Digest, ImmutableArray<Evidence>>();
        var beyond = ImmutableHashSet.CreateBuilder<Digest>();
        // Evidence below an index is no subject of this evaluation, although other evidence may be about it. Evidence under a tag of images
        // is one.
        var images = All.Where(m => Named.Contains(m.Digest) || ManifestKinds.Of(m.Manifest, Documents) != ManifestKind.Evidence);
        Digest[] subjects = [.. images.Select(static m => m.Digest).Distinct()];
        foreach (var reader in _readers)
        {
            var (found, isBeyond) = await ReadEvidenceAsync(reader, subjects, either.Token, cancellationToken);
            foreach (var (subject, some) in found) evidence[subject] = [.. evidence.GetValueOrDefault(subject, []), .. some];
            beyond.UnionWith(isBeyond);
        }
        var unread = _readers.Select(static reader => reader.Unread).FirstOrDefault(static why => why is not null);
        _facts = _facts with { Evidence = evidence.ToImmutable(), BeyondBudget = beyond.ToImmutable(), EvidenceUnread = unread };
    }

    private static async ValueTask<(Dictionary<Digest, ImmutableArray<Evidence>> Found, HashSet<Digest> Beyond)> ReadEvidenceAsync(
        EvidenceReader reader, Digest[] subjects, CancellationToken either, CancellationToken cancellationToken)
    {
        var (evidence, beyond) = (new Dictionary<Digest, ImmutableArray<Evidence>>(), new HashSet<Digest>());
        await ReadAsync(subjects);
        // Each subject gets a share, so that junk about one cannot displace the signature of another. What remains is for subjects with
        // more.
        Digest[] again = [.. subjects.Where(beyond.Contains)];
        if (subjects.Length > 1) await ReadAsync(again);
        return (evidence, beyond);

        async ValueTask ReadAsync(Digest[] some)
        {
            for (var i = 0; i < some.Length; i++)
            {
                reader.Forget(evidence.GetValueOrDefault(some[i], []));
                var (found, isBeyond) = await ReadOneAsync(some[i], some.Length - i);
                if (!found.IsDefault) evidence[some[i]] = found;
                _ = isBeyond ? beyond.Add(some[i]) : beyond.Remove(some[i]);
            }
        }

        async ValueTask<(ImmutableArray<Evidence> Found, bool IsBeyond)> ReadOneAsync(Digest digest, int sharers)
        {
            try
            {
                return await reader.ReadAsync(digest, sharers, either);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                reader.NoteUnread($"it took more than {EvidenceBudget.MaxTime.TotalSeconds:0} s");
                return (default, true);
            }
        }
    }

    /// <summary>Reads all of them concurrently, within one time limit.</summary>
    private async ValueTask<ImmutableDictionary<Digest, Content>> ReadContentsAsync(FactKinds needs, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(BlobContents.Wait);
        var evenAbsent = needs.HasFlag(FactKinds.AbsentContents);
        var layers = needs.HasFlag(FactKinds.LayerContents)
            ? All.Where(m => ManifestKinds.Of(m.Manifest, Documents) == ManifestKind.Image).SelectMany(m => m.Manifest.Layers)
            : [];
        var claiming = All.SelectMany(m => m.Manifest.Blobs).Where(b => MediaClaims.IsAny(b.MediaType)).Concat(layers)
            .DistinctBy(b => b.Digest);
        var found = await Task.WhenAll(claiming.Select(async blob =>
            (blob.Digest, Content: await _contents.FindAsync(
                _backing, blob, evenAbsent && blob.Urls.IsEmpty ? BlobUse.Whole : BlobUse.Here, Account, patience.Token))));
        cancellationToken.ThrowIfCancellationRequested();
        return found.Where(f => f.Content is not null).ToImmutableDictionary(f => f.Digest, f => f.Content!);
    }

    private async ValueTask<ImmutableDictionary<Digest, DateTimeOffset>> ReadFirstSeenAsync()
    {
        var seen = ImmutableDictionary.CreateBuilder<Digest, DateTimeOffset>();
        foreach (var (digest, _) in All)
        {
            if (!seen.ContainsKey(digest) && await _backing.FirstSeenAsync(digest) is { } at) seen.Add(digest, at);
        }
        return seen.ToImmutable();
    }

    private async ValueTask<ImmutableDictionary<Digest, ImageConfig>> ReadConfigsAsync(
        ImmutableArray<TagBinding> history, CancellationToken cancellationToken)
    {
        var bound = history.Where(b => b.Manifest is not null).Select(b => (b.Digest, Manifest: b.Manifest!));
        foreach (var (digest, manifest) in All.Concat(bound).Where(m => _configsRead.Add(m.Digest)).ToArray())
        {
            var (config, unread) = await ImageConfigs.ReadAsync(_backing, manifest, cancellationToken);
            if (config is not null) _configs = _configs.Add(digest, config);
            _configsUnread ??= unread;
        }
        return _configs;
    }

    private async ValueTask<ImmutableArray<TagBinding>> ReadHistoryAsync(TagName tag, CancellationToken cancellationToken)
    {
        var history = ImmutableArray.CreateBuilder<TagBinding>();
        var live = _bindings.LiveOf(tag);
        _bound.TryAdd(tag, live);
        foreach (var digest in _bindings.HistoryOf(tag).Prepend(live).Where(d => !d.IsEmpty))
            history.Add(new(digest, (await _bindings.ReadLinkedAsync(digest, cancellationToken))?.Manifest));
        return history.ToImmutable();
    }

    private ValueTask<StoredManifest?> StoredAsync(Digest digest, CancellationToken cancellationToken) =>
        _backing.ReadLinkedAsync(digest, cancellationToken);
}
