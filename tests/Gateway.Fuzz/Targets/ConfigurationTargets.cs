using Gateway.Commands.Policy;
using Gateway.Configuration;

namespace Gateway.Fuzz.Targets;

/// <summary>gateway.yaml as it ships and as the examples have it: options come of it, or mistakes with a place, and never both.</summary>
public sealed class ConfigurationTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs => Yaml.Examples;

    protected override int MaxLength => 12 * 1024;

    protected override string[] Words =>
    [
        "listen: ", "access:\n  ", "policy:\n  default: allow\n  ", "rules:\n    - ", "upstreams:\n  ", "&a ", "*a", "!!str ", "? ",
        "|\n", "---\n", "{a: ", "[", "- - ", ": ", "#", "%YAML 1.2\n",
        "10GiB", "5m", "always", "<<: ", "\u0085", "\u2028", "regex: ", "(?<=a)",
    ];

    protected override string Try(byte[] input)
    {
        var text = TextOf(input);
        var loaded = ConfigurationLoader.Load(text, "gateway.yaml", "/nowhere", []);
        Assert.Equal(loaded.Options is null, loaded.Mistakes.Count > 0);
        foreach (var mistake in loaded.Mistakes)
        {
            Assert.True(mistake.Location is { Line: >= 1, Column: >= 1 });
            Assert.DoesNotContain('\n', mistake.ToString());
        }
        Yaml.CheckWritten(text);
        return loaded.Options is null ? string.Join('|', loaded.Mistakes.Take(4).Select(m => m.Message)) : "options";
    }
}

/// <summary>The environment over the file: a variable a line.</summary>
public sealed class EnvironmentTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs => Texts(
        "GATEWAY__STORAGE__PATH=/data", "GATEWAY__LISTEN__0__URL=http://127.0.0.1:0",
        "GATEWAY__UPSTREAMS__DOCKER_IO__CREDENTIALS__PASSWORD__FILE=/nowhere",
        "GATEWAY__ACCESS={rules: [{actors: [a], repositories: [b], actions: [pull]}]}",
        "GATEWAY__POLICY__RULES__0__REQUIRE__LIMITS__MAXLAYERS=3", "GATEWAY____=x\nGATEWAY__A____B=y");

    protected override string[] Words =>
    [
        "GATEWAY__", "__", "__FILE", "=", "__0", "__99999999999", "POLICY", "UPSTREAMS", "{", "[", "\nGATEWAY__"
    ];

    protected override int MaxLength => 2048;

    protected override string Try(byte[] input)
    {
        // No environment holds a zero character.
        var lines = TextOf(input).Replace("\0", "", StringComparison.Ordinal).Split('\n').Select(line => line.Split('=', 2));
        var variables = lines.Where(pair => pair.Length == 2).Select(pair => KeyValuePair.Create(pair[0], pair[1]));
        var loaded = ConfigurationLoader.Load("storage: {path: a}", "gateway.yaml", "/nowhere", variables);
        Assert.Equal(loaded.Options is null, loaded.Mistakes.Count > 0);
        return loaded.Options is null ? string.Join('|', loaded.Mistakes.Take(4).Select(m => m.Message)) : "options";
    }
}

/// <summary>Policies of others: Quay's, policy-controller's, Notation's. What comes of them our own reader takes.</summary>
public sealed class ImportTarget : FuzzTarget
{
    protected override string[] Words =>
    [
        "---\n", "kind: ", "spec:\n", "authorities:", "- glob: ", "subjectRegExp: ", "static: {action: fail}", "keyless: {}",
        "key: {data: ", "True", "null", "[]"
    ];

    protected override int MaxLength => 4096;

    protected override string Try(byte[] input)
    {
        var text = TextOf(input);
        Yaml.CheckWritten(text);
        return $"{Import(text, (all, import) => all.Count == 1 ? QuayImport.Read(all[0], import) : null)} "
            + $"{Import(text, (all, import) => all.Count == 0 ? null : new CipImport(import, "root.json").Read(all))} "
            + Import(text, (all, import) => Notation(all, import));
    }

    private static MappingNode? Notation(IReadOnlyList<ConfigurationNode> all, Import import) =>
        all.Count == 1 ? new NotationImport(import, new("/nowhere"), "registry.example").Read(all[0]) : null;

    private static string Import(string text, Func<IReadOnlyList<ConfigurationNode>, Import, MappingNode?> read)
    {
        var import = new Import();
        if (YamlReader.ReadAll(text, "x", import.Refusals) is not { } documents) return "no YAML";
        if (read(documents, import) is not { } section || import.Refusals.Count > 0)
            return string.Join('|', import.Refusals.Take(3).Select(r => r.Message));
        var written = YamlWriter.Write(section);
        var mistakes = new List<ConfigurationMistake>();
        Assert.Equal(Yaml.Shape(section), Yaml.Shape(YamlReader.Read(written, "x", mistakes)!));
        Assert.Empty(mistakes);
        return $"section {import.Notes.Count}";
    }
}

/// <summary>Kubernetes manifests and compose files, and files of policy cases.</summary>
public sealed class WorkloadTarget : FuzzTarget, IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-fuzz-");

    public void Dispose() => _folder.Delete(recursive: true);

    protected override string[] Words =>
    [
        "image: ", "reference: ", "- ", "---\n", "&a", "*a", "{{ .Values.image }}", "cases:\n", "expect: {}", ": ", "\t"
    ];

    protected override int MaxLength => 4096;

    protected override string Try(byte[] input)
    {
        var path = Path.Combine(_folder.FullName, "file.yaml");
        File.WriteAllBytes(path, input);
        var mistakes = new List<ConfigurationMistake>();
        var cases = PolicyCases.Read(path, mistakes);
        try
        {
            return $"{WorkloadFile.ImagesIn(path).Count} {cases.IsDefaultOrEmpty} {mistakes.FirstOrDefault()?.Message}";
        }
        catch (IOException e)
        {
            return e.Message[Math.Min(e.Message.Length, path.Length)..];
        }
    }
}

/// <summary>What the targets of YAML share.</summary>
internal static class Yaml
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Examples");

    /// <summary>The files that we ship.</summary>
    public static IEnumerable<byte[]> Examples =>
        Directory.GetFiles(Folder, "*.yaml").Order(StringComparer.Ordinal).Select(File.ReadAllBytes);

    /// <summary>What was read, written and read again is the same.</summary>
    public static void CheckWritten(string text)
    {
        var mistakes = new List<ConfigurationMistake>();
        if (YamlReader.Read(text, "x", mistakes) is not MappingNode root || mistakes.Count > 0 || HasLongKey(root)) return;
        var written = YamlWriter.Write(root);
        var again = YamlReader.Read(written, "x", mistakes);
        Assert.True(mistakes.Count == 0 && again is not null, $"what was written is not read: {string.Join('|', mistakes)}\n{written}");
        Assert.Equal(Shape(root), Shape(again!));
    }

    // YAML 1.2, 7.4.2: a key without a question mark before it has at most 1024 characters; no key of ours or of others has.
    private static bool HasLongKey(ConfigurationNode node) => node switch
    {
        SequenceNode list => list.Items.Any(HasLongKey),
        MappingNode mapping => mapping.Entries.Any(e => e.Key.Length > 500 || HasLongKey(e.Value)),
        _ => false,
    };

    /// <summary>Keys and values without places.</summary>
    public static string Shape(ConfigurationNode node) => node switch
    {
        ScalarNode scalar => scalar.IsNull ? "null" : $"'{scalar.Value}'",
        SequenceNode list => $"[{string.Join(',', list.Items.Select(Shape))}]",
        MappingNode mapping => $"{{{string.Join(',', mapping.Entries.Select(e => $"'{e.Key}':{Shape(e.Value)}"))}}}",
        _ => "?",
    };
}
