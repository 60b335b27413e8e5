using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Gateway.Oci.Tests.ClientView;

/// <summary>
/// Writes documents by chance: each member as it should be, or in a way that some reader may take for something else. Whatever any reading
/// of them may name is there, so that a client that takes a document otherwise goes on, and what it asks for tells how.
/// </summary>
internal abstract class ChanceDocuments(int seed)
{
    private readonly Random _random = new(seed);

    /// <summary>Every blob that some reading names, by digest.</summary>
    public Dictionary<string, byte[]> Blobs { get; } = [];

    /// <summary>Every manifest below a document that some reading names, by digest, with the type that it is served as.</summary>
    public Dictionary<string, Written> Manifests { get; } = [];

    /// <summary>What stands in a document itself too, so that a client need not ask for it.</summary>
    public HashSet<string> Inline { get; } = [];

    /// <summary>What a client asked for, by noun and digest, with the content.</summary>
    public string Show(string what) =>
        what.Split(' ') is [_, var digest] && (Blobs.GetValueOrDefault(digest) ?? Manifests.GetValueOrDefault(digest)?.Bytes) is { } bytes
            ? $"{what}: {Encoding.UTF8.GetString(bytes)}" : what;

    /// <summary>The next document, which shares no content with the others but where it must.</summary>
    public abstract Written Write(int number);

    protected bool Chance(int of) => _random.Next(of) == 0;

    protected int Below(int end) => _random.Next(end);

    protected T OneOf<T>(params T[] choices) => choices[_random.Next(choices.Length)];

    /// <summary>The members in any order, and rarely something behind them.</summary>
    protected Written Document(string type, List<string> members)
    {
        _random.Shuffle(CollectionsMarshal.AsSpan(members));
        return new(Encoding.UTF8.GetBytes($"{Space()}{{{string.Join(',', members)}{Space()}}}{(Chance(40) ? "{}" : Space())}"), type);
    }

    /// <summary>A member with this value, and beside it one that some reader may take for it.</summary>
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

    /// <summary>What no reader knows and each may stumble over.</summary>
    protected string Unknown(string evil) => OneOf(
        $$"""{{Space()}}"unknown":{"layers":[{{evil}}],"Config":null,"n":-1.5e300}""",
        $$"""{{Space()}}"blobs":[{{evil}}]""",
        $$"""{{Space()}}"layers ":[{{evil}}]""",
        $$"""{{Space()}}"{{Spelled("Unknown")}}":[[[]],{"manifests":[{{evil}}]}]""",
        $$"""{{Space()}}"signatures":null,"name":"a/b","tag":"{{Spelled("latest")}}","architecture":"amd64" """);

    /// <summary>A subject, which some clients copy along.</summary>
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

    /// <summary>The descriptor of a blob, which is kept; what reads it otherwise finds another blob.</summary>
    protected string Descriptor(string type, byte[] bytes) => Descriptor(type, Blob(bytes), Blob([.. bytes, .. " evil"u8]), bytes);

    /// <summary>A descriptor, mostly as it should be.</summary>
    protected string Descriptor(string type, string digest, string evil, byte[] bytes)
    {
        // Three members in each of some descriptors: were more of them mutated, hardly any document were accepted.
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

    /// <summary>A platform, which nothing is chosen by.</summary>
    protected string Platform()
    {
        List<string> members = [Member("os", "\"linux\"", "\"windows\""), Member("architecture", $"\"a{Below(1000)}\"", "\"evil\"")];
        if (Chance(3)) members.Add(OneOf("\"os.features\":[\"x\"]", "\"variant\":null"));
        return $"{{{string.Join(',', members)}}}";
    }

    /// <summary>Keeps a blob, and says its digest.</summary>
    protected string Blob(byte[] bytes)
    {
        var digest = Digest.Of(bytes).ToString();
        Blobs[digest] = bytes;
        return digest;
    }

    /// <summary>Keeps a manifest, and says its digest.</summary>
    protected string Manifest(Written written)
    {
        var digest = written.Digest.ToString();
        Manifests[digest] = written;
        return digest;
    }

    /// <summary>An image as it should be, with two blobs of its own.</summary>
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

    /// <summary>What the config of such a manifest is: skopeo takes no other in Docker's.</summary>
    protected static string ConfigType(string type) =>
        type == MediaTypes.DockerManifest ? "application/vnd.docker.container.image.v1+json" : MediaTypes.OciConfig;

    /// <summary>What its layers are.</summary>
    protected static string LayerType(string type) =>
        type == MediaTypes.DockerManifest ? "application/vnd.docker.image.rootfs.diff.tar.gzip" : "application/vnd.oci.image.layer.v1.tar";

    protected static byte[] Config(string text) => Encoding.UTF8.GetBytes(
        $$$"""{"os":"linux","architecture":"amd64","author":"{{{text}}}","rootfs":{"type":"layers","diff_ids":[]}}""");

    /// <summary>The text as a JSON string, sometimes with escapes.</summary>
    protected string Text(string text) => Chance(12) ? $"\"{Spelled(text).Replace("/", "\\/", StringComparison.Ordinal)}\"" : $"\"{text}\"";

    protected string Space() => Chance(8) ? "\t\r\n "[..Below(5)] : "";

    // Inline data; sometimes that of something else.
    private string Data(string digest, byte[] bytes)
    {
        Inline.UnionWith([$"blobs {digest}", $"manifests {digest}"]);
        var text = Convert.ToBase64String(Chance(4) ? [.. bytes, 0] : bytes);
        return Member("data", Chance(4) ? $"\"{text.TrimEnd('=')}\"" : Text(text), "\"\"");
    }

    // The name itself, also by escapes.
    private string Spelled(string name)
    {
        if (!Chance(5)) return name;
        var at = Below(name.Length);
        return $"{name[..at]}\\u{((int)name[at]).ToString("x4", CultureInfo.InvariantCulture)}{name[(at + 1)..]}";
    }

    // What a reader that folds case takes for the name.
    private string Cased(string name) => Below(3) switch
    {
        0 => name.ToUpperInvariant(),
        1 => char.ToUpperInvariant(name[0]) + name[1..],
        _ => name.Replace("s", Chance(2) ? "\\u017f" : "ſ", StringComparison.Ordinal),
    };
}

/// <summary>A document, and the media type that it is said to have where it is named or served.</summary>
internal sealed record Written(byte[] Bytes, string Type)
{
    public Digest Digest { get; } = Digest.Of(Bytes);

    /// <summary>A tag of its own.</summary>
    public string Tag => $"d-{Digest.Hex}";
}
