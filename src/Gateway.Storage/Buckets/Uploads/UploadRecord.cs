using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gateway.Storage;

/// <summary>
/// An upload session in a bucket: the session object, which is replaced by conditional PUTs. What it does not name does not belong to the
/// upload.
/// </summary>
/// <param name="Note">Whose session it is.</param>
/// <param name="Holder">The process that appends. Another one replaces it before it appends; the first one's next replacement then
/// fails.</param>
/// <param name="Nonce">Random, for each writing of the object: its ETag is then unique, and a writer without an answer finds out.</param>
/// <param name="Chunks">
/// The objects with the bytes, in order. All but the last are long enough to be parts of a multipart upload.
/// </param>
/// <param name="Tail">The bytes after the chunks, if they are few.</param>
/// <param name="Digest">The digest of all bytes by the session's own algorithm; null if it was not noted.</param>
internal sealed record UploadRecord(
    UploadNote Note, string Holder, string Nonce, IReadOnlyList<UploadChunk> Chunks, byte[] Tail, string? Digest)
{
    /// <summary>
    /// The largest session object in bytes: 10,000 chunks (<see cref="IBucket.MaxParts"/>) of some 50 bytes, the note, and the tail.
    /// </summary>
    public const int MaxBytes = 2 << 20;

    /// <summary>The number of this form of a session. A newer one is refused, and no sweep removes it.</summary>
    public const int CurrentFormat = 1;

    /// <summary>The number of the form in which the object is written; 0 in the first objects, which are of form 1.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>Bytes of the upload.</summary>
    [JsonIgnore]
    public long Length => Chunks.Sum(static chunk => chunk.Length) + Tail.Length;

    /// <summary>
    /// The record in an object; null when the object has another form. Throws <see cref="NewerRecordException"/> for one of a newer
    /// version, whatever it has besides the number.
    /// </summary>
    public static UploadRecord? Parse(ReadOnlySpan<byte> bytes)
    {
        try
        {
            var format = JsonSerializer.Deserialize(bytes, UploadRecordJson.Default.UploadFormat)?.Format;
            if (format > CurrentFormat)
                throw new NewerRecordException(
                    $"expected an upload session of format {CurrentFormat}, got {format}; run the version of the gateway that began it",
                    new InvalidDataException("unknown format"));
            return JsonSerializer.Deserialize(bytes, UploadRecordJson.Default.UploadRecord);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The bytes of the object.</summary>
    public byte[] ToBytes() =>
        JsonSerializer.SerializeToUtf8Bytes(this with { Format = CurrentFormat }, UploadRecordJson.Default.UploadRecord);
}

/// <summary>What every form of a session has: its number.</summary>
internal sealed record UploadFormat(int Format = 0);

/// <summary>One object of an upload's bytes.</summary>
/// <param name="Name">Its key below the session's folder; never used twice.</param>
/// <param name="Length">Bytes.</param>
internal readonly record struct UploadChunk(string Name, long Length);

[JsonSerializable(typeof(UploadRecord))]
[JsonSerializable(typeof(UploadFormat))]
[JsonSourceGenerationOptions(RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true)]
internal sealed partial class UploadRecordJson : JsonSerializerContext;
