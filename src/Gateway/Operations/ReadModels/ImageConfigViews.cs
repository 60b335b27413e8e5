using System.Text.Json;
using Gateway.Policy;
using Gateway.Repositories;

namespace Gateway.Operations.ReadModels;

/// <summary>Reads the config of an image for people. A field of an unexpected type is left out.</summary>
internal static class ImageConfigViews
{
    /// <summary>Most entries of a list that a page shows.</summary>
    public const int MostEntries = 200;

    // Most characters of one entry.
    private const int MostCharacters = 2000;

    /// <summary>The config, and the history line of each layer in order; nothing where the config cannot be read here.</summary>
    public static async ValueTask<(ConfigView? Config, IReadOnlyList<string> History)> ReadAsync(
        Inspection inspection, Manifest manifest, CancellationToken cancellationToken)
    {
        if (manifest.Config is not { } config || !ManifestKinds.MayBeImage(manifest) || config.Size > ImageConfigReader.MaxBytes)
            return (null, []);
        if (await inspection.ReadBlobAsync(config.Digest, ImageConfigReader.MaxBytes, cancellationToken) is not { } bytes)
            return (null, []);
        try
        {
            using var document = JsonDocument.Parse(bytes);
            return document.RootElement.ValueKind == JsonValueKind.Object ? Read(document.RootElement) : (null, []);
        }
        // A string that is not valid Unicode is no JSON error.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return (null, []);
        }
    }

    private static (ConfigView, IReadOnlyList<string>) Read(JsonElement root)
    {
        var run = Member(root, "config") ?? default;
        var view = new ConfigView(
            Text(root, "os") ?? "", Text(root, "architecture") ?? "", Text(run, "User"), Text(run, "WorkingDir"), Texts(run, "Entrypoint"),
            Texts(run, "Cmd"), Texts(run, "Env"), Keys(run, "ExposedPorts"), Map(run, "Labels"));
        return (view, History(root));
    }

    // Entries that made no layer are left out, so that the rest match the layers in order (image-spec, config.md, "history").
    private static string[] History(JsonElement root) => Member(root, "history") is { ValueKind: JsonValueKind.Array } entries
        ? [.. entries.EnumerateArray().Where(static entry => Member(entry, "empty_layer") is not { ValueKind: JsonValueKind.True })
            .Take(MostEntries).Select(static entry => Text(entry, "created_by") ?? Text(entry, "comment") ?? "")]
        : [];

    private static JsonElement? Member(JsonElement of, string name) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var member) ? member : null;

    private static string? Text(JsonElement of, string name) =>
        Member(of, name) is { ValueKind: JsonValueKind.String } text ? Cut(text.GetString()!) : null;

    private static string[] Texts(JsonElement of, string name) => Member(of, name) is { ValueKind: JsonValueKind.Array } list
        ? [.. list.EnumerateArray().Where(static e => e.ValueKind == JsonValueKind.String).Take(MostEntries)
            .Select(static e => Cut(e.GetString()!))]
        : [];

    private static string[] Keys(JsonElement of, string name) => Member(of, name) is { ValueKind: JsonValueKind.Object } map
        ? [.. map.EnumerateObject().Take(MostEntries).Select(static e => Cut(e.Name))]
        : [];

    private static Dictionary<string, string> Map(JsonElement of, string name)
    {
        var read = new Dictionary<string, string>();
        if (Member(of, name) is not { ValueKind: JsonValueKind.Object } map) return read;
        foreach (var entry in map.EnumerateObject().Where(static e => e.Value.ValueKind == JsonValueKind.String).Take(MostEntries))
            read[Cut(entry.Name)] = Cut(entry.Value.GetString()!);
        return read;
    }

    /// <summary>The first characters of a text that a client wrote; <c>…</c> marks that there were more.</summary>
    public static string Cut(string text) => text.Length <= MostCharacters ? text : text[..MostCharacters] + "…";
}
