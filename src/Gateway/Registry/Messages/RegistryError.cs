using System.Text.Encodings.Web;
using System.Text.Json;
using Gateway.Repositories;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>One error as the distribution-spec writes it ("Error Codes"), and the status that goes with each code.</summary>
/// <param name="Message">One line of printable ASCII; longer than <see cref="Printable.MaxMessage"/> it is cut.</param>
/// <param name="Detail">A string, never an object: docker shows only strings, crane prints an object as <c>map[…]</c>.</param>
internal sealed record RegistryError(RegistryErrorCode Code, string Message, string? Detail = null)
{
    // With the longest message it keeps the whole body well below the 8 KiB that oras reads.
    private const int MaxDetailLength = 1024;

    // The text is printable ASCII already; people read it in a terminal, so that quotes need no \u0027.
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The usual status of a code.</summary>
    public static int StatusOf(RegistryErrorCode code) => code switch
    {
        RegistryErrorCode.BLOB_UNKNOWN => Status404NotFound,
        RegistryErrorCode.BLOB_UPLOAD_INVALID => Status400BadRequest,
        RegistryErrorCode.BLOB_UPLOAD_UNKNOWN => Status404NotFound,
        RegistryErrorCode.DIGEST_INVALID => Status400BadRequest,
        RegistryErrorCode.MANIFEST_BLOB_UNKNOWN => Status404NotFound,
        RegistryErrorCode.MANIFEST_INVALID => Status400BadRequest,
        RegistryErrorCode.MANIFEST_UNKNOWN => Status404NotFound,
        RegistryErrorCode.NAME_INVALID => Status400BadRequest,
        RegistryErrorCode.NAME_UNKNOWN => Status404NotFound,
        RegistryErrorCode.SIZE_INVALID => Status400BadRequest,
        RegistryErrorCode.TAG_INVALID => Status400BadRequest,
        RegistryErrorCode.UNAUTHORIZED => Status401Unauthorized,
        RegistryErrorCode.DENIED => Status403Forbidden,
        RegistryErrorCode.UNSUPPORTED => Status405MethodNotAllowed,
        RegistryErrorCode.TOOMANYREQUESTS => Status429TooManyRequests,
        RegistryErrorCode.UNAVAILABLE => Status503ServiceUnavailable,
        _ => throw new ArgumentOutOfRangeException(nameof(code), code, "a code of the distribution-spec was expected"),
    };

    /// <summary>The body: exactly one error.</summary>
    public byte[] ToJson()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Plain))
        {
            json.WriteStartObject();
            json.WriteStartArray("errors");
            json.WriteStartObject();
            json.WriteString("code", Code.ToString());
            json.WriteString("message", Printable.Line(Message));
            if (Detail is not null) json.WriteString("detail", Printable.Line(Detail, MaxDetailLength));
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return buffer.ToArray();
    }
}
