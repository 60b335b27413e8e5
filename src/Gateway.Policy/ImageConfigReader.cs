using System.Collections.Immutable;
using System.Text.Json;
using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>
/// Reads of an image's config what rules ask about (image-spec, config.md). As strict as the manifest's reader about keys that two readers
/// take differently, for the client reads the same bytes.
/// </summary>
public static class ImageConfigReader
{
    /// <summary>Most bytes of a config that are read. Chosen: containerd's own bound for what it keeps in memory is 8 MiB.</summary>
    public const int MaxBytes = 4 << 20;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    /// <summary>What a config says; null when it is no JSON object that every reader reads alike, or above the bound.</summary>
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

    // Null for what is missing or null. A key that only a reader that folds case takes for this one is no key that all read alike.
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
