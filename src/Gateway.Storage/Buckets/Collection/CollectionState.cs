using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gateway.Storage;

/// <summary>How far a collection of a bucket is.</summary>
internal enum CollectionPhase
{
    /// <summary>Content is condemned. It is removed later, unless a gateway uses it before.</summary>
    Condemned,

    /// <summary>A gateway removes links, then bytes.</summary>
    Removing,

    /// <summary>It ended.</summary>
    Done,
}

/// <summary>
/// The object that all gateways of a bucket agree by: which content the current collection has condemned, and what became of it. It is
/// replaced by conditional writes only (docs/design/0025-bucket-collection.md).
/// </summary>
/// <param name="Run">The number of the collection, from 1. A later collection has a higher one.</param>
/// <param name="Nonce">Random, for each writing: no ETag returns, and a writer without an answer finds out.</param>
/// <param name="Owner">Random, of the collector that removes; empty when any may continue.</param>
/// <param name="Count">How many digests <paramref name="List"/> has.</param>
/// <param name="Done">The digests before this index were removed, if they are not spared: their bytes may be gone.</param>
/// <param name="Dying">The digests from <paramref name="Done"/> up to this index are being removed now.</param>
/// <param name="List">The name of the object with the condemned digests (<see cref="CondemnedList"/>).</param>
/// <param name="Previous">The name of the list of the collection before; empty when there was none.</param>
/// <param name="Spared">The indexes of the digests that stay, rising.</param>
internal sealed record CollectionState(
    long Run, string Nonce, string Owner, CollectionPhase Phase, int Count, int Done, int Dying, string List, string Previous,
    int[] Spared)
{
    /// <summary>The largest state in bytes: an index of each digest of a list, of six digits.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>The number of the format. Another one is refused.</summary>
    public int Format { get; init; } = 1;

    /// <summary>Whether a digest stays.</summary>
    public bool IsSpared(int index) => Spared.AsSpan().BinarySearch(index) >= 0;

    /// <summary>This state with more digests that stay.</summary>
    public CollectionState Sparing(IEnumerable<int> indexes) => this with { Spared = [.. Spared.Concat(indexes).Distinct().Order()] };

    /// <summary>
    /// The state of an object. Throws <see cref="NewerRecordException"/> for one that a newer version wrote, and
    /// <see cref="InvalidDataException"/> for one that no version wrote.
    /// </summary>
    public static CollectionState Parse(ReadOnlySpan<byte> bytes)
    {
        CollectionState? state;
        try
        {
            state = JsonSerializer.Deserialize(bytes, CollectionJson.Default.CollectionState);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"expected the state of a collection in the bucket, got other bytes ({e.Message})", e);
        }
        return state is { Format: 1 }
            ? state
            : throw new NewerRecordException(
                $"expected a collection of format 1 in the bucket, got {state?.Format}; run the version of the gateway that wrote it",
                new InvalidDataException("unknown format"));
    }

    /// <summary>The bytes of the object.</summary>
    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, CollectionJson.Default.CollectionState);
}

[JsonSerializable(typeof(CollectionState))]
[JsonSourceGenerationOptions(
    RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true, UseStringEnumConverter = true)]
internal sealed partial class CollectionJson : JsonSerializerContext;
