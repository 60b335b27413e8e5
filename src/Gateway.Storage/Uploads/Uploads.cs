using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>An upload session that one caller has taken over, with its open data.</summary>
/// <param name="Turn">Canceled when a later caller takes over the session.</param>
internal sealed record HeldSession(UploadSession Session, IUploadData Data, CancellationTokenSource Turn);

/// <summary>
/// <c>gateway/uploads/</c>: the upload sessions. The note of each is a <c>.json</c>; its bytes are in a store of content. Nothing is
/// flushed before a session is finished.
/// </summary>
public sealed class Uploads
{
    /// <summary>The number of sessions whose hash stays in memory; for other sessions it is computed again from the file.</summary>
    private const int MaxInMemory = 1024;

    /// <summary>
    /// The largest note in bytes: a name of 255 characters, and an actor with a token's longest subject, both escaped. Chosen.
    /// </summary>
    private const int MaxNoteBytes = 64 * 1024;

    /// <summary>
    /// How long a request waits for an earlier one that is completing the session: the time of a flush, and of hashing again by sha512.
    /// </summary>
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    private readonly string _folder;
    private readonly IContentStore _store;
    private readonly VolumeHealth _health;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<string, UploadSession> _sessions = new(StringComparer.Ordinal);
    private readonly OpenUploads _open = new();

    // The defaults of the configuration, until it is read.
    private volatile UploadLimits _limits = new(10_000, 1_000, 5_000, TimeSpan.FromDays(7));
    private bool _counted;

    internal Uploads(string folder, IContentStore store, VolumeHealth health, TimeProvider clock, ILogger logger) =>
        (_folder, _store, _health, _clock, _logger) = (folder, store, health, clock, logger);

    /// <summary>The number of open sessions, in memory or not.</summary>
    public int Count => _open.Count;

    /// <summary>How many sessions may be open, and how long an idle one stays.</summary>
    public UploadLimits Limits { set => _limits = value; }

    private string NoteFile(string id) => $"{_folder}/{id}.json";

    /// <summary>
    /// Removes sessions that are too old, and files without a session. The first call also counts the sessions of earlier processes.
    /// </summary>
    public void Sweep()
    {
        UnreadableException? unreadable = null;
        foreach (var file in Disk.FilesIn(_folder))
        {
            try
            {
                Sweep(file, _clock.GetUtcNow() - _limits.Idle);
            }
            catch (UnreadableException e)
            {
                // A session that cannot be removed does not prevent the removal of others.
                unreadable = e;
            }
        }
        _counted = true;
        if (unreadable is not null) throw unreadable;
    }

    /// <summary>The number of sessions that <see cref="Sweep()"/> would remove because of their age.</summary>
    public int CountExpired()
    {
        var oldest = _clock.GetUtcNow() - _limits.Idle;
        return Disk.FilesIn(_folder).Count(file =>
            file.EndsWith(".data", StringComparison.Ordinal) && Disk.Find(file)?.Written < oldest);
    }

    private void Sweep(string file, DateTimeOffset oldest)
    {
        var id = Path.GetFileNameWithoutExtension(file);
        var (note, data) = (Disk.Find(NoteFile(id)), _store.FindUploadAsync(id, CancellationToken.None).Wait());
        // A session that is being opened has its note before its data.
        var isYoung = Disk.Find(file)?.Written > _clock.GetUtcNow().AddMinutes(-1);
        if (note is not null && data is not null ? data.Value.Written < oldest : !isYoung) EndIdle(id, oldest);
        else if (!_counted && file.EndsWith(".data", StringComparison.Ordinal) && ReadNote(id) is { } noted) _open.Keep(id, noted);
    }

    /// <summary>Removes an old session, unless a request has its turn or has used it since it was listed.</summary>
    private void EndIdle(string id, DateTimeOffset oldest)
    {
        var session = _sessions.TryGetValue(id, out var known) ? known : Read(id);
        if (session is null)
        {
            EndAsync(id).Wait();
            return;
        }
        if (!session.Turn.Wait(0)) return;
        try
        {
            // A request that waits for the turn finds that the session has ended.
            if (_store.FindUploadAsync(id, CancellationToken.None).Wait() is not { } data || data.Written < oldest) EndAsync(id).Wait();
        }
        finally
        {
            session.Turn.Release();
        }
    }

    /// <summary>Whether a session has data.</summary>
    internal async ValueTask<bool> HasDataAsync(string id) => await _store.FindUploadAsync(id, CancellationToken.None) is not null;

    /// <summary>Opens a session. Throws <see cref="TooManyUploadsException"/> when a limit is reached.</summary>
    public async ValueTask<Upload> OpenAsync(
        string repository, DigestAlgorithm algorithm, string actor, CancellationToken cancellationToken)
    {
        CheckRoom();
        var note = new UploadNote(repository, actor, Digest.NameOf(algorithm), _clock.GetUtcNow());
        var id = RandomNumberGenerator.GetHexString(32, lowercase: true);
        _open.Add(id, note, _limits);
        var session = new UploadSession(id, note);
        try
        {
            await File.WriteAllBytesAsync(
                NoteFile(session.Id), JsonSerializer.SerializeToUtf8Bytes(session.Note, UploadNoteJson.Default.UploadNote),
                cancellationToken);
            var data = await _store.CreateUploadAsync(session.Id, cancellationToken);
            // No other caller knows the session yet.
            var turn = await session.EnterAsync(MaxWait, CancellationToken.None);
            Remember(session);
            return new(this, new HeldSession(session, data, turn!));
        }
        catch (Exception e)
        {
            // A client that disconnects leaves no session behind.
            _open.Remove(session.Id);
            session.Dispose();
            if (Disk.HasFile(NoteFile(session.Id))) File.Delete(NoteFile(session.Id));
            if (e is not (IOException or UnauthorizedAccessException)) throw;
            Doubt(e);
            throw new StoreReadOnlyException($"an upload session could not be opened: {Disk.WhyOf(e)}", e);
        }
    }

    /// <summary>
    /// Reads the state of a session, also while a caller writes to it; null when the repository has no session with this id.
    /// </summary>
    public async ValueTask<Upload?> FindAsync(string repository, string id, CancellationToken cancellationToken)
    {
        if (!IsId(id)) return null;
        var session = _sessions.TryGetValue(id, out var known) ? known : Read(id);
        if (session is null || session.Note.Repository != repository) return null;
        if (await _store.FindUploadAsync(id, cancellationToken) is not { } stored) return null;
        Remember(session);
        return new(this, session, stored.Length);
    }

    /// <summary>Takes over a session for one caller; null when it has ended.</summary>
    internal async ValueTask<HeldSession?> TakeOverAsync(UploadSession session, CancellationToken cancellationToken)
    {
        while (true)
        {
            var turn = await session.EnterAsync(MaxWait, cancellationToken)
                ?? throw new StoreReadOnlyException("another request is completing this upload session; try again later");
            var known = _sessions.GetOrAdd(session.Id, session);
            if (ReferenceEquals(known, session)) return await OpenAsync(session, turn, cancellationToken);
            // Meanwhile it was removed from memory, and another request has loaded it again.
            session.Turn.Release();
            session = known;
        }
    }

    private async ValueTask<HeldSession?> OpenAsync(
        UploadSession session, CancellationTokenSource turn, CancellationToken cancellationToken)
    {
        IUploadData? data = null;
        try
        {
            data = await _store.OpenUploadAsync(session.Id, session.Length == 0 ? -1 : session.Length, cancellationToken);
            if (data is not null)
            {
                if (session.Length == 0) await session.TakeUpAsync(data, cancellationToken);
                Remember(session);
                return new(session, data, turn);
            }
        }
        catch
        {
            if (data is not null) await data.DisposeAsync();
            session.Turn.Release();
            throw;
        }
        session.Turn.Release();
        _sessions.TryRemove(session.Id, out _);
        return null;
    }

    private UploadSession? Read(string id) => ReadNote(id) is { } note ? _sessions.GetOrAdd(id, new UploadSession(id, note)) : null;

    private UploadNote? ReadNote(string id)
    {
        try
        {
            if (Disk.Bytes(NoteFile(id), MaxNoteBytes) is not { } note) return null;
            return JsonSerializer.Deserialize(note, UploadNoteJson.Default.UploadNote);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private void Remember(UploadSession session)
    {
        session.LastUse = _clock.GetUtcNow().ToUnixTimeMilliseconds();
        _sessions[session.Id] = session;
        if (_sessions.Count <= MaxInMemory) return;
        var idleOnes = _sessions.Values.Where(s => s.Turn.CurrentCount == 1).OrderBy(s => s.LastUse);
        foreach (var idle in idleOnes.Take(_sessions.Count - MaxInMemory))
        {
            // A request that takes over the session at this moment keeps it.
            if (!idle.Turn.Wait(0)) continue;
            _sessions.TryRemove(idle.Id, out _);
            idle.Turn.Release();
        }
    }

    /// <summary>Removes a session, with its data if it still has any.</summary>
    public async ValueTask EndAsync(string id)
    {
        _sessions.TryRemove(id, out _);
        var hadData = await _store.RemoveUploadAsync(id, CancellationToken.None);
        if (!hadData && !Disk.HasFile(NoteFile(id))) return;
        File.Delete(NoteFile(id));
        _open.Remove(id);
    }

    /// <summary>Makes a finished session's data the bytes of a digest, and ends the session. Doing it twice has the same result.</summary>
    internal async ValueTask CommitAsync(string id, IContentStore store, Digest digest)
    {
        await store.CommitUploadAsync(id, digest, CancellationToken.None);
        await EndAsync(id);
    }

    /// <summary>Records that a write failed, and logs the reason with the path.</summary>
    public void Doubt(Exception failure)
    {
        Log.UploadNotWritten(_logger, failure);
        _health.Doubt();
    }

    /// <summary>Throws <see cref="StoreReadOnlyException"/> when the volume accepts no uploads now.</summary>
    public void CheckRoom() => _health.CheckRoom(Lifetime.Pushed);

    private static bool IsId(string id) => id.Length == 32 && id.All(char.IsAsciiHexDigitLower);
}
