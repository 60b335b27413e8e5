using System.Collections.Immutable;

namespace Gateway.Oci;

/// <summary>
/// Reads descriptors and their fields (image-spec, descriptor.md), and counts everything that a document has a limit for.
/// </summary>
public sealed class DescriptorReader(ManifestLimits limits)
{
    /// <summary>Most bytes of inline data in one descriptor. Chosen: configs fit; layers belong in blobs.</summary>
    private const int MaxData = 64 * 1024;

    private static readonly KeySet DescriptorKeys =
        new("mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType");

    private static readonly KeySet PlatformKeys = new("architecture", "os", "os.version", "os.features", "variant", "features");

    private int _descriptors;
    private int _annotationBytes;
    private int _annotations;
    private int _urls;

    /// <summary>Reads an array of descriptors.</summary>
    public ImmutableArray<Descriptor> ReadList(ref StrictJson json)
    {
        var list = ImmutableArray.CreateBuilder<Descriptor>();
        json.OpenArray();
        while (json.NextItem()) list.Add(Read(ref json));
        return list.DrainToImmutable();
    }

    /// <summary>Reads one descriptor.</summary>
    public Descriptor Read(ref StrictJson json)
    {
        if (++_descriptors > limits.MaxDescriptors)
            throw json.Problem(ProblemCodes.LimitDescriptors, $"expected at most {limits.MaxDescriptors} descriptors, got more");
        var found = new Descriptor("", default, -1);
        byte[]? data = null;
        var keys = json.OpenObject(DescriptorKeys);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "data") data = json.Base64(MaxData);
            else found = ReadField(ref json, key, found);
        }
        if (found.MediaType.Length == 0) throw json.Problem(ProblemCodes.FieldMissing, "expected a descriptor with mediaType, got none");
        if (found.Digest.IsEmpty) throw json.Problem(ProblemCodes.FieldMissing, "expected a descriptor with digest, got none");
        if (found.Size < 0) throw json.Problem(ProblemCodes.FieldMissing, "expected a descriptor with size, got none");
        if (data is not null) CheckData(ref json, found, data);
        return found;
    }

    private Descriptor ReadField(ref StrictJson json, string key, Descriptor found) => key switch
    {
        "mediaType" => found with { MediaType = ReadMediaType(ref json) },
        "digest" => found with { Digest = ReadDigest(ref json) },
        "size" => found with { Size = json.WholeNumber() },
        "urls" => found with { Urls = ReadUrls(ref json) },
        "annotations" => found with { Annotations = ReadAnnotations(ref json) },
        "platform" => found with { Platform = ReadPlatform(ref json) },
        _ => found with { ArtifactType = ReadArtifactType(ref json) },
    };

    /// <summary>Reads a media type: a token of RFC 6838 §4.2 without parameters.</summary>
    public static string ReadMediaType(ref StrictJson json)
    {
        var type = json.TextValue();
        return MediaTypes.IsWellFormed(type)
            ? type
            : throw json.Expected("a media type without parameters (RFC 6838)", ProblemCodes.MediaTypeInvalid);
    }

    /// <summary>Reads an artifact type. An empty one, which Go programs can write, counts as absent.</summary>
    public static string? ReadArtifactType(ref StrictJson json) => json.TextValue().Length == 0 ? null : ReadMediaType(ref json);

    /// <summary>Reads annotations, whose keys and values are strings.</summary>
    public ImmutableSortedDictionary<string, string> ReadAnnotations(ref StrictJson json)
    {
        // Sorted before they are added to the tree: in the order of the document each insertion misses the processor's cache at every
        // level (400,000 annotations took 2.7 s).
        var annotations = new List<KeyValuePair<string, string>>();
        json.OpenMap();
        while (json.NextMember(out var key, out var text))
        {
            if (++_annotations > limits.MaxAnnotations)
                throw json.Problem(ProblemCodes.LimitAnnotations, $"expected at most {limits.MaxAnnotations} annotations, got more");
            _annotationBytes += System.Text.Encoding.UTF8.GetByteCount(key) + System.Text.Encoding.UTF8.GetByteCount(text);
            if (_annotationBytes > limits.MaxAnnotationBytes)
                throw json.Problem(
                    ProblemCodes.LimitAnnotations, $"expected at most {limits.MaxAnnotationBytes} bytes of annotations, got more");
            annotations.Add(new(key, text));
        }
        annotations.Sort(static (one, other) => string.CompareOrdinal(one.Key, other.Key));
        var sorted = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in annotations)
        {
            if (!sorted.TryAdd(name, value))
                throw json.Problem(ProblemCodes.DuplicateKey, $"expected the annotation {Printable.Quote(name)} once, got it twice");
        }
        return sorted.ToImmutable();
    }

    private static Digest ReadDigest(ref StrictJson json) => Digest.TryParse(json.TextValue(), out var digest)
        ? digest
        : throw json.Expected("sha256: with 64 or sha512: with 128 lower-case hex characters", ProblemCodes.DigestInvalid);

    private ImmutableArray<string> ReadUrls(ref StrictJson json)
    {
        var list = ImmutableArray.CreateBuilder<string>();
        json.OpenArray();
        while (json.NextItem())
        {
            if (++_urls > limits.MaxUrls)
                throw json.Problem(ProblemCodes.LimitUrls, $"expected at most {limits.MaxUrls} urls in the document, got more");
            list.Add(json.TextValue());
        }
        return list.DrainToImmutable();
    }

    // The image-spec requires os and architecture. Documents of old tools lack them, and no decision depends on them.
    private static Platform ReadPlatform(ref StrictJson json)
    {
        var platform = new Platform("", "", null);
        var keys = json.OpenObject(PlatformKeys);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "os") platform = platform with { Os = json.TextValue() };
            else if (key == "architecture") platform = platform with { Architecture = json.TextValue() };
            else if (key == "variant") platform = platform with { Variant = json.TextValue() };
            else json.SkipValue();
        }
        return platform;
    }

    private static void CheckData(ref StrictJson json, Descriptor descriptor, byte[] data)
    {
        if (data.Length != descriptor.Size || Digest.Of(data, descriptor.Digest.Algorithm) != descriptor.Digest)
            throw json.Problem(
                ProblemCodes.DataMismatch,
                $"expected data of {descriptor.Size} bytes with {descriptor.Digest}, got {data.Length} other bytes");
    }
}
