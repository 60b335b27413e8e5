using System.Collections.Immutable;
using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>
/// Finds what to forward for a change: the manifests that the change publishes, all staged content below them, and the staged evidence
/// about any of it. Evidence about content that stays staged stays with it.
/// </summary>
internal sealed class PublicationReader
{
    private readonly StoredRepository _staged;
    private readonly Func<Digest, bool> _isUpstream;
    private readonly Func<Digest, ValueTask<Result<StoredManifest>>> _fetch;
    private readonly Change _change;
    private readonly Dictionary<Digest, StoredManifest> _brought = [];
    private readonly ILookup<Digest, TagName> _bound;
    private readonly List<StoredManifest> _found = [];
    private readonly HashSet<Digest> _seen = [];

    /// <param name="isUpstream">Whether the upstream is known to have a manifest, or a waiting push will send it.</param>
    /// <param name="fetch">Reads a manifest that the upstream has.</param>
    public PublicationReader(
        StoredRepository staged, Func<Digest, bool> isUpstream, Func<Digest, ValueTask<Result<StoredManifest>>> fetch, Change change)
    {
        (_staged, _isUpstream, _fetch, _change) = (staged, isUpstream, fetch, change);
        foreach (var stored in change.Operations.OfType<Operation.StoreManifest>())
        {
            // The gate has checked these manifests already, so the limits for stored content apply.
            if (ManifestReader.Read(stored.Bytes, null, StoredManifest.ReadBackLimits).Manifest is { } manifest)
                _brought[stored.Digest] = new(stored.Digest, manifest, stored.Bytes);
        }
        _bound = change.Operations.OfType<Operation.SetLive>().ToLookup(o => o.Digest, o => o.Tag);
    }

    public async ValueTask<Publication> ReadAsync()
    {
        foreach (var digest in _change.Published)
        {
            Visit(digest);
            // A manifest that the upstream already has may get another tag.
            if (!_seen.Contains(digest) && _bound.Contains(digest)
                && await _fetch(digest) is Result<StoredManifest>.Found { Value: var manifest } && _seen.Add(digest))
                _found.Add(manifest);
        }
        var withheld = _found.Where(m => SubjectsOf(m.Digest).Any(StaysHere)).Select(m => m.Digest).ToHashSet();
        return new([.. _found.Where(m => !withheld.Contains(m.Digest)).Select(Published)]);
    }

    private void Visit(Digest digest)
    {
        var manifest = _brought.GetValueOrDefault(digest) ?? _staged.ReadManifest(digest);
        if (manifest is null || !_seen.Add(digest)) return;
        foreach (var child in manifest.Manifest.Children) Visit(child.Digest);
        _found.Add(manifest);
        // Oldest first, in the order of their pushes.
        foreach (var evidence in EvidenceNotes.List(_staged, digest).Reverse()) Visit(evidence);
    }

    private bool StaysHere(Digest subject) =>
        !_seen.Contains(subject) && _staged.ReadManifest(subject) is not null && !_isUpstream(subject);

    private IEnumerable<Digest> SubjectsOf(Digest evidence) =>
        _change.Operations.OfType<Operation.AddEvidence>().Where(o => o.Evidence == evidence).Select(o => o.Subject)
            .Concat(_brought.GetValueOrDefault(evidence)?.Manifest.Subject is { } own ? [own.Digest] : [])
            .Concat(EvidenceNotes.SubjectsOf(_staged, evidence));

    private Published Published(StoredManifest manifest)
    {
        // A staged tag of evidence was withheld together with its manifest.
        var withheld = _staged.TagsOf(manifest.Digest).Where(t => !EvidenceNotes.SubjectOf(t, manifest.Digest).IsEmpty);
        var tags = _bound[manifest.Digest].Union(withheld);
        return new(manifest, [.. tags], SubjectsOf(manifest.Digest).Any());
    }
}
