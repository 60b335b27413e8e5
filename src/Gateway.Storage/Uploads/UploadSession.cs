using System.Text.Json.Serialization;

namespace Gateway.Storage;

/// <summary>Whose upload it is; stored with its bytes, whose number is the upload's length.</summary>
internal sealed record UploadNote(string Repository, string Actor, string Algorithm, DateTimeOffset Started);

/// <summary>An upload session that is open.</summary>
/// <param name="Repository">The full name of the stored repository (<see cref="StoredRepository.FullName"/>).</param>
/// <param name="Length">Bytes that were received until the last pause of the client.</param>
/// <param name="LastUse">When a request last took it over.</param>
public sealed record OpenUpload(string Repository, string Actor, long Length, DateTimeOffset Since, DateTimeOffset LastUse);

[JsonSerializable(typeof(UploadNote))]
[JsonSourceGenerationOptions(RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true)]
internal sealed partial class UploadNoteJson : JsonSerializerContext;

/// <summary>
/// An upload in memory: its hash so far, and the turn of its callers. It is restored from the stored bytes after a restart.
/// </summary>
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

    /// <summary>Bytes that are hashed; the upload begins with them.</summary>
    public long Hashed { get; set; }

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

    /// <summary>
    /// Hashes the stored bytes that were not hashed here: all of them after a restart, or those that another process received.
    /// </summary>
    public async ValueTask CatchUpAsync(IUploadData data, CancellationToken cancellationToken)
    {
        if (Hashed == data.Length) return;
        if (Hashed > data.Length) Forget();
        try
        {
            await data.ReadAsync(Hashed, Add, cancellationToken);
        }
        catch
        {
            // A client that disconnected during an earlier try has left a partial hash.
            Forget();
            throw;
        }

        void Add(ReadOnlyMemory<byte> bytes)
        {
            Hash.AppendData(bytes.Span);
            Hashed += bytes.Length;
        }
    }

    /// <summary>Forgets the hash: some of the bytes do not belong to the upload.</summary>
    /// <param name="length">Bytes that do, as far as this process knows.</param>
    public void Forget(long length)
    {
        Length = length;
        Forget();
    }

    private void Forget()
    {
        _ = Hash.GetHashAndReset();
        Hashed = 0;
    }

    public static async ValueTask<byte[]> HashAsync(IUploadData data, DigestAlgorithm algorithm, CancellationToken cancellationToken)
    {
        using var hash = new ContentHash(algorithm);
        await data.ReadAsync(0, bytes => hash.AppendData(bytes.Span), cancellationToken);
        return hash.GetHashAndReset();
    }

    public void Dispose()
    {
        Hash.Dispose();
        Turn.Dispose();
    }
}
