using System.Text.Json.Serialization;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>The content of an upload's <c>.json</c>; the length is that of the data file.</summary>
internal sealed record UploadNote(string Repository, string Actor, string Algorithm, DateTimeOffset Started);

[JsonSerializable(typeof(UploadNote))]
[JsonSourceGenerationOptions(RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true)]
internal sealed partial class UploadNoteJson : JsonSerializerContext;

/// <summary>An upload in memory: its hash so far, and the turn of its callers. It is restored from the data file after a restart.</summary>
internal sealed class UploadSession : IDisposable
{
    /// <summary>The cancellation of the request that asked for the turn last.</summary>
    private CancellationTokenSource? _latest;

    internal UploadSession(string id, UploadNote note)
    {
        (Id, Note) = (id, note);
        Algorithm = note.Algorithm == "sha512" ? DigestAlgorithm.Sha512 : DigestAlgorithm.Sha256;
        Hash = new(Algorithm);
    }

    public string Id { get; }

    internal UploadNote Note { get; }

    public DigestAlgorithm Algorithm { get; }

    public ContentHash Hash { get; }

    public long Length { get; set; }

    /// <summary>Unix milliseconds of the last use, for removing idle sessions from memory.</summary>
    public long LastUse { get; set; }

    public SemaphoreSlim Turn { get; } = new(1, 1);

    /// <summary>
    /// Waits for the turn, and cancels the previous request, whether it has the turn or waits for it. A client that asks again has given up
    /// its earlier request; the gateway may notice that only when the earlier connection times out.
    /// </summary>
    /// <returns>Canceled when a later request wants the turn; null when the turn was not free in time.</returns>
    public async ValueTask<CancellationTokenSource?> EnterAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        var own = new CancellationTokenSource();
        if (Interlocked.Exchange(ref _latest, own) is { } before) await before.CancelAsync();
        return await Turn.WaitAsync(patience, cancellationToken) ? own : null;
    }

    /// <summary>Hashes the stored bytes after a restart; the session then continues where it stopped.</summary>
    public async ValueTask TakeUpAsync(IUploadData data, CancellationToken cancellationToken)
    {
        // A client that disconnected during an earlier try has left a partial hash.
        _ = Hash.GetHashAndReset();
        await data.ReadAsync(bytes => Hash.AppendData(bytes.Span), cancellationToken);
        Length = data.Length;
    }

    public static async ValueTask<byte[]> HashAsync(IUploadData data, DigestAlgorithm algorithm, CancellationToken cancellationToken)
    {
        using var hash = new ContentHash(algorithm);
        await data.ReadAsync(bytes => hash.AppendData(bytes.Span), cancellationToken);
        return hash.GetHashAndReset();
    }

    public void Dispose()
    {
        Hash.Dispose();
        Turn.Dispose();
    }
}
