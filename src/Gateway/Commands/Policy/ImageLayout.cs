using System.Collections.Immutable;
using System.Text.Json;
using Gateway.Policy;
using Gateway.Policy.Signatures;

namespace Gateway.Commands.Policy;

/// <summary>
/// An OCI image layout on disk (image-spec, image-layout.md), or one manifest in a file, read completely, as a repository would
/// hold it if all of it were pushed.
/// </summary>
internal sealed partial class ImageLayout
{
    /// <summary>Maximum manifests of one layout; a test layout has a few.</summary>
    private const int MaxManifests = 1000;

    private readonly string? _folder;
    private readonly Dictionary<Digest, Manifest> _manifests = [];
    private readonly Dictionary<string, Digest> _tags = new(StringComparer.Ordinal);

    private ImageLayout(string? folder) => _folder = folder;

    /// <exception cref="IOException">It is not a valid layout; the message is one line.</exception>
    public static ImageLayout Read(string path)
    {
        if (File.Exists(path))
        {
            var single = new ImageLayout(null);
            single.Add(File.ReadAllBytes(path), path);
            return single;
        }
        var layout = new ImageLayout(path);
        using var index = JsonDocument.Parse(layout.Bytes("index.json", ManifestLimits.Plain.MaxBytes));
        foreach (var entry in index.RootElement.GetProperty("manifests").EnumerateArray()) layout.AddEntry(entry);
        return layout;
    }

    private void AddEntry(JsonElement entry)
    {
        if (!Digest.TryParse(entry.GetProperty("digest").GetString(), out var digest))
            throw new IOException("expected a digest in index.json, got another text");
        AddStored(digest);
        if (entry.TryGetProperty("annotations", out var notes) && notes.TryGetProperty("org.opencontainers.image.ref.name", out var name))
            _tags[name.GetString() ?? ""] = digest;
    }

    private void AddStored(Digest digest)
    {
        if (_manifests.ContainsKey(digest) || Blob(digest, ManifestLimits.Plain.MaxBytes) is not { } bytes) return;
        if (_manifests.Count == MaxManifests) throw new IOException($"expected at most {MaxManifests} manifests in a layout");
        foreach (var child in Add(bytes, digest.ToString()).Children) AddStored(child.Digest);
    }

    private Manifest Add(byte[] bytes, string what)
    {
        var (manifest, problem) = ManifestReader.Read(bytes, null, ManifestLimits.Plain);
        if (manifest is null) throw new IOException($"expected a manifest in {what}: {problem!.Message}");
        return _manifests[Digest.Of(bytes)] = manifest;
    }

    /// <summary>The manifest of a case; null if the reference matches none, or the choice is ambiguous.</summary>
    public Digest? Find(string? reference)
    {
        if (reference is null)
        {
            var children = _manifests.Values.SelectMany(static m => m.Children).Select(static c => c.Digest).ToHashSet();
            var tops = _manifests.Where(m => !children.Contains(m.Key) && !ManifestKinds.HasFormOfEvidence(m.Value)).ToArray();
            return tops.Length == 1 ? tops[0].Key : _manifests.Count == 1 ? _manifests.Keys.First() : null;
        }
        if (Digest.TryParse(reference, out var digest)) return _manifests.ContainsKey(digest) ? digest : null;
        return _tags.TryGetValue(reference, out var tagged) ? tagged : null;
    }

    /// <summary>The question about a manifest, with all facts of the layout.</summary>
    public PolicyInput Ask(PolicyCase asked, Digest digest, DateTimeOffset now)
    {
        var below = Below(digest).ToImmutableArray();
        var above = _manifests.Where(m => m.Value.IsIndex && m.Key != digest && Below(m.Key).Any(b => b.Digest == digest))
            .Select(static m => (m.Key, m.Value)).ToImmutableArray();
        var history = asked.BoundTo.Select(Bound).ToImmutableArray();
        Digest[] all = [digest, .. below.Select(static b => b.Digest), .. above.Select(static a => a.Key)];
        var configured = all.Concat(history.Where(static b => b.Manifest is not null).Select(static b => b.Digest));
        return new(asked.Repository, asked.Tag, asked.Stage, digest, _manifests[digest], below)
        {
            Now = now,
            Facts = new()
            {
                Above = above,
                TagHistory = history,
                FirstSeen = all.Distinct().ToImmutableDictionary(d => d, d => SeenAt(asked, d, now)),
                Configs = configured.Distinct().Select(d => (Digest: d, Config: ConfigOf(_manifests[d])))
                    .Where(static c => c.Config is not null)
                    .ToImmutableDictionary(static c => c.Digest, static c => c.Config!),
                Evidence = all.Distinct().ToImmutableDictionary(d => d, d => EvidenceOf(d, asked, now)),
            },
        };
    }

    private TagBinding Bound(string reference)
    {
        var digest = Find(reference) ?? (Digest.TryParse(reference, out var gone)
            ? gone
            : throw new IOException($"boundTo: expected a tag of the layout or a digest, got '{reference}'"));
        return new(digest, _manifests.GetValueOrDefault(digest));
    }

    private IEnumerable<(Digest Digest, Manifest Manifest)> Below(Digest digest) => _manifests[digest].Children
        .Where(child => _manifests.ContainsKey(child.Digest))
        .SelectMany(child => Below(child.Digest).Prepend((child.Digest, _manifests[child.Digest])))
        .DistinctBy(static m => m.Item1);

    private ImmutableArray<Evidence> EvidenceOf(Digest subject, PolicyCase asked, DateTimeOffset now)
    {
        var tags = _tags.Where(tag => tag.Key == $"sha256-{subject.Hex}.sig" || tag.Key == $"sha256-{subject.Hex}.att");
        var tagged = tags.ToDictionary(static tag => tag.Value, static tag => TagName.Parse(tag.Key));
        return
        [
            .. _manifests.Where(m => ManifestKinds.HasFormOfEvidence(m.Value))
                .Where(m => m.Value.Subject is { } about ? about.Digest == subject : tagged.ContainsKey(m.Key))
                .Take(EvidenceBudget.MaxManifests)
                .Select(m => new Evidence(
                    m.Key, m.Value, tagged.TryGetValue(m.Key, out var tag) ? tag : null, SeenAt(asked, m.Key, now), LayersOf(m.Value))),
        ];
    }

    private ImmutableDictionary<Digest, ReadOnlyMemory<byte>> LayersOf(Manifest manifest) => manifest.Layers
        .DistinctBy(static layer => layer.Digest)
        .Select(layer => (layer.Digest, Bytes: Blob(layer.Digest, EvidenceBudget.MaxBytesOf(layer))))
        .Where(static layer => layer.Bytes is not null)
        .ToImmutableDictionary(static layer => layer.Digest, static layer => (ReadOnlyMemory<byte>)layer.Bytes);

    private ImageConfig? ConfigOf(Manifest manifest)
    {
        if (manifest.Config is not { } config || !ManifestKinds.MayBeImage(manifest)) return null;
        return Blob(config.Digest, ImageConfigReader.MaxBytes) is { } bytes ? ImageConfigReader.Read(bytes) : null;
    }

    private static DateTimeOffset SeenAt(PolicyCase asked, Digest digest, DateTimeOffset now) =>
        asked.FirstSeenOf.TryGetValue(digest.ToString(), out var at) ? at : asked.FirstSeen ?? now;

    // Null for a missing blob, or one above the limit of its kind.
    private byte[]? Blob(Digest digest, int most)
    {
        if (most == 0 || FileOf(digest) is not { } file || file.Length > most) return null;
        var bytes = File.ReadAllBytes(file.FullName);
        return Digest.Of(bytes, digest.Algorithm) == digest
            ? bytes
            : throw new IOException(
                $"expected content with the digest in its name, got other content in {Path.GetRelativePath(_folder!, file.FullName)}");
    }

    private FileInfo? FileOf(Digest digest) => _folder is null
        ? null
        : new FileInfo(Path.Combine(_folder, "blobs", digest.AlgorithmName, digest.Hex.ToString())) is { Exists: true } file ? file : null;

    private byte[] Bytes(string name, int most)
    {
        var file = new FileInfo(Path.Combine(_folder!, name));
        if (!file.Exists || file.Length > most)
            throw new IOException($"expected an OCI image layout with {name} of at most {most} bytes in {_folder}");
        return File.ReadAllBytes(file.FullName);
    }
}
