using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Gateway.Storage;

/// <summary>
/// A referrer's descriptor as JSON: its form in <c>_gateway/referrers/</c>, in the journal, and in answers of the referrers API.
/// </summary>
public static class ReferrerFile
{
    /// <summary>The text of a descriptor, as in its file.</summary>
    public static string Write(Descriptor descriptor)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer)) Write(json, descriptor);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>The text of a descriptor, as in its file.</summary>
    public static void Write(Utf8JsonWriter json, Descriptor descriptor)
    {
        json.WriteStartObject();
        json.WriteString("mediaType", descriptor.MediaType);
        json.WriteString("digest", descriptor.Digest.ToString());
        json.WriteNumber("size", descriptor.Size);
        if (descriptor.ArtifactType is { } artifactType) json.WriteString("artifactType", artifactType);
        if (!descriptor.Annotations.IsEmpty)
        {
            json.WriteStartObject("annotations");
            foreach (var (key, value) in descriptor.Annotations) json.WriteString(key, value);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    /// <summary>
    /// Reads the output of <see cref="Write(Descriptor)"/>; null for an empty or damaged file. The caller then reads the manifest itself.
    /// </summary>
    public static Descriptor? Read(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            var root = document.RootElement;
            var annotations = root.TryGetProperty("annotations", out var found)
                ? found.EnumerateObject().ToImmutableSortedDictionary(a => a.Name, a => a.Value.GetString() ?? "")
                : ImmutableSortedDictionary<string, string>.Empty;
            var (mediaType, size) = (root.GetProperty("mediaType").GetString(), root.GetProperty("size").GetInt64());
            if (mediaType is null || size < 0) return null;
            return new(mediaType, Digest.Parse(root.GetProperty("digest").GetString()), size)
            {
                ArtifactType = root.TryGetProperty("artifactType", out var type) ? type.GetString() : null,
                Annotations = annotations,
            };
        }
        // ArgumentException: a duplicate annotation.
        catch (Exception e)
            when (e is JsonException or KeyNotFoundException or FormatException or InvalidOperationException or ArgumentException)
        {
            return null;
        }
    }
}
