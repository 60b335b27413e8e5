using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Gateway.Oci.Tests.ClientView;

/// <summary>
/// Writes random documents: each member correct, or in a form that some reader may interpret differently. All content that any reading
/// could name exists, so that a client with another reading continues, and its requests show the difference.
/// </summary>
internal abstract class ChanceDocuments(int seed)
{
    private readonly Random _random = new(seed);

    /// <summary>Every blob that some reading names, by digest.</summary>
    public Dictionary<string, byte[]> Blobs { get; } = [];

    /// <summary>Every manifest below a document that some reading names, by digest, with the type that it is served as.</summary>
    public Dictionary<string, Written> Manifests { get; } = [];

    /// <summary>Content that the document itself contains too, so that a client does not need to request it.</summary>
    public HashSet<string> Inline { get; } = [];

    /// <summary>The requests of a client, by noun and digest, with the content.</summary>
    public string Show(string what) =>
        what.Split(' ') is [_, var digest] && (Blobs.GetValueOrDefault(digest) ?? Manifests.GetValueOrDefault(digest)?.Bytes) is { } bytes
            ? $"{what}: {Encoding.UTF8.GetString(bytes)}" : what;

    /// <summary>The next document; it shares content with the others only when it must.</summary>
    public abstract Written Write(int number);

    protected bool Chance(int of) => _random.Next(of) == 0;

    protected int Below(int end) => _random.Next(end);

    protected T OneOf<T>(params T[] choices) => choices[_random.Next(choices.Length)];

    /// <summary>The members in any order, rarely with bytes after them.</summary>
    protected Written Document(string type, List<string> members)
    {
        _random.Shuffle(CollectionsMarshal.AsSpan(members));
        return new(Encoding.UTF8.GetBytes($"{Space()}{{{string.Join(',', members)}{Space()}}}{(Chance(40) ? "{}" : Space())}"), type);
    }

    /// <summary>A member with this value, and sometimes another member that some reader may take for it.</summary>
    protected string Member(string name, string good, string evil)
    {
        var pair = $"{Space()}\"{Spelled(name)}\"{Space()}:{Space()}{good}";
        return Below(32) switch
        {
            0 => $"{pair},\"{name}\":{evil}",
            1 => $"\"{Spelled(name)}\":{evil},{pair}",
            2 => $"{pair},\"{Cased(name)}\":{evil}",
            3 => $"\"{Cased(name)}\":{evil},{pair}",
            4 => $"{pair},\"{name}\\u0000\":{evil}",
            _ => pair,
        };
    }

    /// <summary>Members that no reader knows and that could confuse each.</summary>
    protected string Unknown(string evil) => OneOf(
        $$"""{{Space()}}"unknown":{"layers":[{{evil}}],"Config":null,"n":-1.5e300}""",
        $$"""{{Space()}}"blobs":[{{evil}}]""",
        $$"""{{Space()}}"layers ":[{{evil}}]""",
        $$"""{{Space()}}"{{Spelled("Unknown")}}":[[[]],{"manifests":[{{evil}}]}]""",
        $$"""{{Space()}}"signatures":null,"name":"a/b","tag":"{{Spelled("latest")}}","architecture":"amd64" """);

    /// <summary>A subject, which some clients copy too.</summary>
    protected string Subject(string text)
    {
        var (subject, evil) = (Image($"{text} subject"), Image($"{text} evil subject"));
        return Member(
            "subject", Descriptor(subject.Type, Manifest(subject), Manifest(evil), subject.Bytes),
            Descriptor(evil.Type, Manifest(evil), Manifest(subject), evil.Bytes));
    }

    /// <summary>A descriptor of a blob with this text.</summary>
    protected string Layer(string text, string type = "application/vnd.oci.image.layer.v1.tar") =>
        Descriptor(type, Encoding.UTF8.GetBytes($"layer {text}"));

    /// <summary>The descriptor of a blob, which is stored; another reading of it names another blob.</summary>
    protected string Descriptor(string type, byte[] bytes) => Descriptor(type, Blob(bytes), Blob([.. bytes, .. " evil"u8]), bytes);

    /// <summary>A descriptor, mostly correct.</summary>
    protected string Descriptor(string type, string digest, string evil, byte[] bytes)
    {
        // Three members in each of some descriptors: with more mutations, hardly any document would be accepted.
        List<string> members = Chance(10)
            ? [
                Member("mediaType", Text(type), "\"text/evil\""), Member("digest", Text(digest), Text(evil)),
                Member("size", $"{bytes.Length}", $"{bytes.Length + 1}"),
            ]
            : [$"\"mediaType\":{Text(type)}", $"\"digest\":{Text(digest)}", $"\"size\":{bytes.Length}"];
        if (Chance(6)) members.Add(Member("annotations", $$"""{"digest":"{{evil}}","Digest":"","\u0061":"\u00e9\n"}""", "{}"));
        if (Chance(8)) members.Add(Member("urls", OneOf("[]", "null"), "[]"));
        if (Chance(12)) members.Add(Unknown($"\"{evil}\""));
        if (Chance(12)) members.Add(Member("platform", Platform(), Platform()));
        if (Chance(12)) members.Add(Data(digest, bytes));
        _random.Shuffle(CollectionsMarshal.AsSpan(members));
        return $"{{{string.Join(',', members)}{Space()}}}";
    }

    /// <summary>A platform, which no client selects by.</summary>
    protected string Platform()
    {
        List<string> members = [Member("os", "\"linux\"", "\"windows\""), Member("architecture", $"\"a{Below(1000)}\"", "\"evil\"")];
        if (Chance(3)) members.Add(OneOf("\"os.features\":[\"x\"]", "\"variant\":null"));
        return $"{{{string.Join(',', members)}}}";
    }

    /// <summary>Stores a blob and returns its digest.</summary>
    protected string Blob(byte[] bytes)
    {
        var digest = Digest.Of(bytes).ToString();
        Blobs[digest] = bytes;
        return digest;
    }

    /// <summary>Stores a manifest and returns its digest.</summary>
    protected string Manifest(Written written)
    {
        var digest = written.Digest.ToString();
        Manifests[digest] = written;
        return digest;
    }

    /// <summary>A correct image with two blobs of its own.</summary>
    protected Written Image(string text, string type = MediaTypes.OciManifest)
    {
        var (config, layer) = (Config(text), Encoding.UTF8.GetBytes($"layer of {text}"));
        return new(
            Encoding.UTF8.GetBytes($$$"""
                {"schemaVersion":2,"mediaType":"{{{type}}}",
                 "config":{"mediaType":"{{{ConfigType(type)}}}","digest":"{{{Blob(config)}}}","size":{{{config.Length}}}},
                 "layers":[{"mediaType":"{{{LayerType(type)}}}","digest":"{{{Blob(layer)}}}","size":{{{layer.Length}}}}]}
                """),
            type);
    }

    /// <summary>The config type of such a manifest: skopeo accepts no other in Docker's.</summary>
    protected static string ConfigType(string type) =>
        type == MediaTypes.DockerManifest ? "application/vnd.docker.container.image.v1+json" : MediaTypes.OciConfig;

    /// <summary>The types of its layers.</summary>
    protected static string LayerType(string type) =>
        type == MediaTypes.DockerManifest ? "application/vnd.docker.image.rootfs.diff.tar.gzip" : "application/vnd.oci.image.layer.v1.tar";

    protected static byte[] Config(string text) => Encoding.UTF8.GetBytes(
        $$$"""{"os":"linux","architecture":"amd64","author":"{{{text}}}","rootfs":{"type":"layers","diff_ids":[]}}""");

    /// <summary>The text as a JSON string, sometimes with escapes.</summary>
    protected string Text(string text) => Chance(12) ? $"\"{Spelled(text).Replace("/", "\\/", StringComparison.Ordinal)}\"" : $"\"{text}\"";

    protected string Space() => Chance(8) ? "\t\r\n "[..Below(5)] : "";

    // Inline data; sometimes of other content.
    private string Data(string digest, byte[] bytes)
    {
        Inline.UnionWith([$"blobs {digest}", $"manifests {digest}"]);
        var text = Convert.ToBase64String(Chance(4) ? [.. bytes, 0] : bytes);
        return Member("data", Chance(4) ? $"\"{text.TrimEnd('=')}\"" : Text(text), "\"\"");
    }

    // The name itself, sometimes with escapes.
    private string Spelled(string name)
    {
        if (!Chance(5)) return name;
        var at = Below(name.Length);
        return $"{name[..at]}\\u{((int)name[at]).ToString("x4", CultureInfo.InvariantCulture)}{name[(at + 1)..]}";
    }

    // A name that equals the known one when case is folded.
    private string Cased(string name) => Below(3) switch
    {
        0 => name.ToUpperInvariant(),
        1 => char.ToUpperInvariant(name[0]) + name[1..],
        _ => name.Replace("s", Chance(2) ? "\\u017f" : "ſ", StringComparison.Ordinal),
    };
}

/// <summary>A document, and its media type where it is named or served.</summary>
internal sealed record Written(byte[] Bytes, string Type)
{
    public Digest Digest { get; } = Digest.Of(Bytes);

    /// <summary>A unique tag.</summary>
    public string Tag => $"d-{Digest.Hex}";
}
