using System.Text.Json;

namespace Gateway.Policy;

/// <summary>
/// Reads the fields of an image config that rules need (image-spec, config.md). It refuses ambiguous keys as strictly as the reader of
/// manifests, because the client reads the same bytes.
/// </summary>
public static class ImageConfigReader
{
    /// <summary>Most bytes of a config that are read. Chosen: containerd reads at most 8 MiB into memory too.</summary>
    public const int MaxBytes = 4 << 20;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    /// <summary>The fields of a config; null when it is not an unambiguous JSON object, or exceeds the limit.</summary>
    public static ImageConfig? Read(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length > MaxBytes) return null;
        try
        {
            using var document = JsonDocument.Parse(bytes, Strict);
            return document.RootElement.ValueKind == JsonValueKind.Object ? Read(document.RootElement) : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    private static ImageConfig Read(JsonElement root) => new(
        Text(root, "os"), Text(root, "architecture"), NullIfEmpty(Text(root, "variant")))
    {
        Labels = Member(root, "config") is { } config && Member(config, "Labels") is { } labels ? Labels(labels) : Empty,
        DiffIds = Member(root, "rootfs") is { } rootfs && Member(rootfs, "diff_ids") is { } ids
            ? [.. ids.EnumerateArray().Select(DiffId)]
            : [],
    };

    private static ImmutableSortedDictionary<string, string> Empty { get; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    private static ImmutableSortedDictionary<string, string> Labels(JsonElement labels) =>
        Empty.AddRange(labels.EnumerateObject().Select(static label => KeyValuePair.Create(label.Name, label.Value.GetString() ?? "")));

    private static Digest DiffId(JsonElement id) =>
        Digest.TryParse(id.GetString(), out var digest) ? digest : throw new FormatException("a diff_id is no digest");

    private static string Text(JsonElement of, string name) => Member(of, name)?.GetString() ?? "";

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;

    // Null for an absent or null member. A key that equals this one only when case is folded is refused as ambiguous.
    private static JsonElement? Member(JsonElement of, string name)
    {
        JsonElement? found = null;
        var folded = KeySet.Fold(name);
        foreach (var member in of.EnumerateObject())
        {
            if (member.NameEquals(name)) found = member.Value;
            else if (KeySet.Fold(member.Name) == folded) throw new FormatException($"a key folds to {name}");
        }
        return found is { ValueKind: not JsonValueKind.Null } ? found : null;
    }
}
