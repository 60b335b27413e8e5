using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Gateway.Configuration;

/// <summary>
/// Reads the images in Kubernetes manifests and compose files: the value of every <c>image</c> key, at any depth of any document, including
/// custom resources. Aliases are skipped, because they refer to another place in the file.
/// </summary>
internal sealed class WorkloadFile
{
    // Custom resources nest some 20 deep.
    private const int MaxDepth = 100;

    private readonly Parser _parser;
    private readonly List<string> _images = [];

    private WorkloadFile(string text) => _parser = new(new StringReader(text));

    /// <summary>Reads a file's images, each once, in the order of the file.</summary>
    /// <exception cref="IOException">The file cannot be read, is larger than 4 MiB, or is not YAML.</exception>
    public static IReadOnlyList<string> ImagesIn(string path)
    {
        var file = new WorkloadFile(BoundedFile.ReadText(path));
        try
        {
            file.ReadStream();
        }
        catch (Exception e) when (e is YamlException or InvalidOperationException or ArgumentException)
        {
            var line = (e as YamlException)?.Start.Line ?? file._parser.Current?.Start.Line ?? 0;
            var why = e.Message.ReplaceLineEndings(" ");
            throw new IOException($"{path}:{line}: expected YAML, got something else (render a chart's templates first): {why}", e);
        }
        return [.. file._images.Distinct(StringComparer.Ordinal)];
    }

    private void ReadStream()
    {
        _parser.Consume<StreamStart>();
        while (!_parser.TryConsume<StreamEnd>(out _))
        {
            _parser.Consume<DocumentStart>();
            ReadNode(key: "", parent: "", MaxDepth);
            _parser.Consume<DocumentEnd>();
        }
    }

    private void ReadNode(string key, string parent, int depth)
    {
        if (depth == 0) throw new YamlException(_parser.Current!.Start, _parser.Current.End, $"nested deeper than {MaxDepth} levels");
        if (_parser.TryConsume<Scalar>(out var scalar)) Take(key, parent, scalar.Value);
        else if (_parser.TryConsume<SequenceStart>(out _))
        {
            while (!_parser.TryConsume<SequenceEnd>(out _)) ReadNode("", key, depth - 1);
        }
        else if (_parser.TryConsume<MappingStart>(out _))
        {
            while (!_parser.TryConsume<MappingEnd>(out _))
            {
                var name = (_parser.Current as Scalar)?.Value ?? "";
                ReadNode("", "", depth - 1);
                ReadNode(name, key, depth - 1);
            }
        }
        else
        {
            _parser.Consume<AnchorAlias>();
        }
    }

    // The image of a Ceph volume is not a container image; a volume from an image (KEP-4639) uses the key reference.
    private void Take(string key, string parent, string value)
    {
        var isImage = (key == "image" && parent != "rbd") || (key == "reference" && parent == "image");
        if (isImage && value.Trim() is { Length: > 0 } image) _images.Add(image);
    }
}
