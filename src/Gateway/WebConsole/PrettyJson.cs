using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Gateway.WebConsole;

/// <summary>JSON for people: indented, and with as few escapes as possible. The page escapes it for HTML.</summary>
internal static class PrettyJson
{
    // Maximum bytes of the indented text. Chosen: a browser still scrolls it. A small document can indent to many times its size.
    private const int Most = 1 << 20;

    private static readonly JsonWriterOptions Options =
        new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The document, indented; the text itself when it is no JSON; null when the indented text exceeds 1 MiB.</summary>
    public static string? Of(string json)
    {
        var output = new Bounded();
        try
        {
            using var document = JsonDocument.Parse(json);
            using var writer = new Utf8JsonWriter(output, Options);
            document.RootElement.WriteTo(writer);
            writer.Flush();
            return output.Text;
        }
        catch (InvalidDataException)
        {
            return null;
        }
        // A string that is not valid Unicode is no JSON error.
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            return json;
        }
    }

    /// <summary>Ends with an error when more than <see cref="Most"/> bytes are written.</summary>
    private sealed class Bounded : IBufferWriter<byte>
    {
        private readonly ArrayBufferWriter<byte> _inner = new();

        public string Text => Encoding.UTF8.GetString(_inner.WrittenSpan);

        public void Advance(int count)
        {
            // First: the writer advances again by the same bytes when it is disposed after the error.
            if (_inner.WrittenCount + count > Most) throw new InvalidDataException($"expected at most {Most} bytes, got more");
            _inner.Advance(count);
        }

        public Memory<byte> GetMemory(int sizeHint = 0) => _inner.GetMemory(sizeHint);

        public Span<byte> GetSpan(int sizeHint = 0) => _inner.GetSpan(sizeHint);
    }
}
