using System.Collections.Immutable;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Gateway.Configuration;

/// <summary>
/// Reads one YAML document into nodes with line and column. Aliases, anchors and tags are refused, so that the file means exactly what it
/// says, and a few lines cannot expand to gigabytes.
/// </summary>
internal sealed class YamlReader
{
    /// <summary>Maximum nesting; the deepest key of gateway.yaml is at 7.</summary>
    private const int MaxDepth = 32;

    private readonly Parser _parser;
    private readonly string[] _lines;
    private readonly string _source;
    private readonly List<ConfigurationMistake> _mistakes;

    private YamlReader(string text, string source, List<ConfigurationMistake> mistakes)
    {
        _parser = new Parser(new StringReader(text));
        _lines = text.Split('\n');
        _source = source;
        _mistakes = mistakes;
    }

    /// <summary>
    /// Reads a document; an empty one is an empty section. Null if its syntax is invalid; mistakes are added to the list.
    /// </summary>
    public static ConfigurationNode? Read(string text, string source, List<ConfigurationMistake> mistakes) =>
        Guard(new(text, source, mistakes), static reader => reader.ReadDocument());

    /// <summary>Reads every document of a stream, as Kubernetes tools write them; null as for <see cref="Read"/>.</summary>
    public static List<ConfigurationNode>? ReadAll(string text, string source, List<ConfigurationMistake> mistakes) =>
        Guard(new(text, source, mistakes), static reader => reader.ReadDocuments());

    private static T? Guard<T>(YamlReader reader, Func<YamlReader, T> read)
        where T : class
    {
        var (source, mistakes) = (reader._source, reader._mistakes);
        try
        {
            return read(reader);
        }
        catch (YamlException broken)
        {
            mistakes.Add(YamlSyntax.Explain(reader._lines, source, (int)broken.Start.Line, (int)broken.Start.Column, broken.Message));
            return null;
        }
        // YamlDotNet's scanner throws this, without a place, if the line after an open bracket looks like a key.
        catch (InvalidOperationException)
        {
            var before = reader._parser.Current?.End ?? default;
            mistakes.Add(YamlSyntax.Explain(reader._lines, source, (int)before.Line, (int)before.Column, YamlSyntax.OpenBracket));
            return null;
        }
        // Its parser throws this for a tag that is not a URI.
        catch (ArgumentException)
        {
            var before = reader._parser.Current?.End ?? default;
            const string Tag = "invalid YAML tag after this place; tags are not supported, remove it, or quote a value that begins with !";
            mistakes.Add(new(Locate(source, before), "", Tag));
            return null;
        }
    }

    private ConfigurationNode ReadDocument()
    {
        _parser.Consume<StreamStart>();
        if (_parser.TryConsume<StreamEnd>(out _)) return new MappingNode(new(_source, 1, 1), []);
        _parser.Consume<DocumentStart>();
        var root = ReadNode("", MaxDepth);
        _parser.Consume<DocumentEnd>();
        if (!_parser.Accept<StreamEnd>(out _))
            Add(_parser.Current!, "", "expected one YAML document, got a second one, which begins here; remove the line ---");
        return root;
    }

    private List<ConfigurationNode> ReadDocuments()
    {
        var documents = new List<ConfigurationNode>();
        _parser.Consume<StreamStart>();
        while (!_parser.TryConsume<StreamEnd>(out _))
        {
            _parser.Consume<DocumentStart>();
            documents.Add(ReadNode("", MaxDepth));
            _parser.Consume<DocumentEnd>();
        }
        return documents;
    }

    private ConfigurationNode ReadNode(string path, int depth)
    {
        var location = Locate(_source, _parser.Current?.Start ?? default);
        if (depth == 0) throw new YamlException(_parser.Current!.Start, _parser.Current.End, $"nested deeper than {MaxDepth} levels");
        if (_parser.TryConsume<AnchorAlias>(out var alias))
        {
            Add(alias, path, "YAML aliases are not supported; write the value itself, in quotes if it begins with *");
            return new ScalarNode(location, "", Plain: false);
        }
        if (_parser.Current is NodeEvent node) RefuseDecoration(node, path);
        if (_parser.TryConsume<Scalar>(out var scalar)) return new ScalarNode(location, scalar.Value, scalar.Style == ScalarStyle.Plain);
        return _parser.TryConsume<SequenceStart>(out _) ? ReadSequence(location, path, depth) : ReadMapping(location, path, depth);
    }

    private void RefuseDecoration(NodeEvent node, string path)
    {
        if (!node.Anchor.IsEmpty) Add(node, path, "YAML anchors are not supported; remove it, or quote a value that begins with &");
        if (!node.Tag.IsEmpty && node is not Scalar { Style: not ScalarStyle.Plain, Tag.IsNonSpecific: true })
            Add(node, path, "YAML tags are not supported; remove it");
    }

    private SequenceNode ReadSequence(SourceLocation location, string path, int depth)
    {
        var items = ImmutableArray.CreateBuilder<ConfigurationNode>();
        while (!_parser.TryConsume<SequenceEnd>(out _)) items.Add(ReadNode($"{path}[{items.Count}]", depth - 1));
        return new SequenceNode(location, items.ToImmutable());
    }

    private MappingNode ReadMapping(SourceLocation location, string path, int depth)
    {
        _parser.Consume<MappingStart>();
        var entries = new Dictionary<string, MappingEntry>(StringComparer.Ordinal);
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            var start = _parser.Current!;
            var key = ReadNode(path, depth - 1);
            var name = (key as ScalarNode)?.Value ?? "";
            var value = ReadNode(Reading.Join(path, name), depth - 1);
            if (key is not ScalarNode) Add(start, path, $"expected a key, got {key.Kind}");
            else if (!entries.TryAdd(name, new(name, key.Location, value)))
                Add(start, Reading.Join(path, name), $"written twice, first in line {entries[name].KeyLocation.Line}; keep one of them");
        }
        return new MappingNode(location, [.. entries.Values.OrderBy(entry => (entry.KeyLocation.Line, entry.KeyLocation.Column))]);
    }

    private void Add(ParsingEvent at, string path, string message) => _mistakes.Add(new(Locate(_source, at.Start), path, message));

    private static SourceLocation Locate(string source, Mark mark) =>
        new(source, Math.Max(1, (int)mark.Line), Math.Max(1, (int)mark.Column));
}
