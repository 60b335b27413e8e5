using System.Collections.Immutable;

namespace Gateway.Oci;

/// <summary>The fields of a document as written, before its type (one of four) is known.</summary>
internal sealed class Document
{
    private static readonly KeySet Known = new(
        "schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations", "fsLayers", "history");

    private long? _schemaVersion;
    private string? _mediaType;
    private string? _artifactType;
    private Descriptor? _config;
    private ImmutableArray<Descriptor>? _layers;
    private ImmutableArray<Descriptor>? _children;
    private Descriptor? _subject;
    private ImmutableSortedDictionary<string, string> _annotations = ImmutableSortedDictionary<string, string>.Empty;
    private bool _hasSchema1Fields;
    private StrictJson.Keys _keys;

    /// <summary>Reads the fields in one pass.</summary>
    public static Document Read(ReadOnlySpan<byte> bytes, ManifestLimits limits)
    {
        var document = new Document();
        var json = new StrictJson(bytes, limits.MaxDepth);
        var descriptors = new DescriptorReader(limits);
        document._keys = json.OpenObject(Known);
        while (json.NextKey(ref document._keys) is { } key) document.ReadField(ref json, key, descriptors);
        json.End();
        return document;
    }

    private void ReadField(ref StrictJson json, string key, DescriptorReader descriptors)
    {
        switch (key)
        {
            case "schemaVersion": _schemaVersion = json.WholeNumber(); break;
            case "mediaType": _mediaType = DescriptorReader.ReadMediaType(ref json); break;
            case "artifactType": _artifactType = DescriptorReader.ReadArtifactType(ref json); break;
            case "config": _config = descriptors.Read(ref json); break;
            case "layers": _layers = descriptors.ReadList(ref json); break;
            case "manifests": _children = descriptors.ReadList(ref json); break;
            case "subject": _subject = descriptors.Read(ref json); break;
            case "annotations": _annotations = descriptors.ReadAnnotations(ref json); break;
            default:
                _hasSchema1Fields = true;
                json.SkipValue();
                break;
        }
    }

    /// <summary>Decides the type of the document. Throws when its parts contradict each other.</summary>
    public Manifest ToManifest(string? contentType)
    {
        CheckVersion(contentType);
        CheckForm();
        var mediaType = _mediaType ?? TypeByForm(contentType);
        if (contentType is not null && contentType != mediaType)
            throw Problem(
                ProblemCodes.MediaMismatch,
                $"the content type is {contentType}, the document is {Printable.Quote(mediaType)}; they must be equal");
        if (!MediaTypes.IsManifest(mediaType))
            throw Problem(
                ProblemCodes.UnsupportedType, $"mediaType: expected one of {MediaTypes.AcceptManifests}, got {Printable.Quote(mediaType)}");
        CheckFields(mediaType);
        return new Manifest(mediaType)
        {
            ArtifactType = _artifactType,
            Config = _config,
            Layers = _layers ?? [],
            Children = _children ?? [],
            Subject = _subject,
            Annotations = _annotations,
        };
    }

    private void CheckVersion(string? contentType)
    {
        if (_mediaType is MediaTypes.DockerSchema1 or MediaTypes.DockerSchema1Signed || (_schemaVersion == 1 && _hasSchema1Fields))
        {
            throw contentType is null
                ? Problem(ProblemCodes.Schema1, "Docker schema 1 is not supported; push schema 2 or an OCI manifest")
                : Problem(
                    ProblemCodes.MediaMismatch, $"the content type is {contentType}, the document is Docker schema 1; they must be equal");
        }
        if (_schemaVersion is null) throw Problem(ProblemCodes.FieldMissing, "schemaVersion: expected 2, got none");
        if (_schemaVersion != 2) throw Problem(ProblemCodes.FieldInvalid, $"schemaVersion: expected 2, got {_schemaVersion}");
    }

    private void CheckForm()
    {
        if (_children is not null && (_config is not null || _layers is not null))
            throw Problem(
                ProblemCodes.AmbiguousDocument, "expected an index or an image manifest, got manifests together with config or layers");
        if (_hasSchema1Fields)
            throw Problem(
                ProblemCodes.AmbiguousDocument, "expected no fsLayers and no history (Docker schema 1) in a document of schemaVersion 2");
    }

    private string TypeByForm(string? contentType)
    {
        if (contentType is MediaTypes.DockerManifest or MediaTypes.DockerList)
            throw Problem(ProblemCodes.FieldMissing, $"mediaType: expected {contentType}, got none; Docker's formats require it");
        if (_config is not null) return MediaTypes.OciManifest;
        if (_keys.Has("manifests")) return MediaTypes.OciIndex;
        throw Problem(ProblemCodes.FieldMissing, "expected manifests (an index), or config and layers (an image manifest), got neither");
    }

    // An empty list can be written as null: Go's encoding/json does so.
    private void CheckFields(string mediaType)
    {
        var index = MediaTypes.IsIndex(mediaType);
        if (index ? _config is not null || _layers is not null : _children is not null)
            throw Problem(
                ProblemCodes.AmbiguousDocument,
                $"mediaType is {mediaType}, but the fields are those of {(index ? "an image manifest" : "an index")}");
        if (index ? !_keys.Has("manifests") : _config is null || !_keys.Has("layers"))
            throw Problem(ProblemCodes.FieldMissing, $"{mediaType}: expected {(index ? "manifests" : "config and layers")}, got none");
        CheckBlobs();
    }

    // Clients that copy by a descriptor's media type request such an entry as a manifest and follow its references. Other clients treat it
    // as a blob.
    private void CheckBlobs()
    {
        if (_config is not null) CheckBlob("config", _config);
        for (var i = 0; i < _layers?.Length; i++) CheckBlob($"layers[{i}]", _layers.Value[i]);
    }

    private static void CheckBlob(string place, Descriptor blob)
    {
        if (MediaTypes.IsManifest(blob.MediaType))
            throw Problem(
                ProblemCodes.AmbiguousDocument,
                $"{place}: expected a blob, got {blob.MediaType}, which some clients request as a manifest and others as a blob");
    }

    private static ManifestProblemException Problem(string code, string message) => new(code, message);
}
