using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Gateway.Storage;

/// <summary>An upload session that one caller has taken over, with its open data.</summary>
/// <param name="Turn">Canceled when a later caller takes over the session.</param>
internal sealed record HeldSession(UploadSession Session, IUploadData Data, CancellationTokenSource Turn);

/// <summary>
/// The upload sessions, whose notes and bytes are in a store of content: on the local disk in <c>gateway/uploads/</c>, where nothing is
/// flushed before a session is finished, or in a bucket, where any gateway can continue what another one began.
/// </summary>
public sealed partial class Uploads
{
    /// <summary>The number of sessions whose hash stays in memory; for other sessions it is computed again from the bytes.</summary>
    private const int MaxInMemory = 1024;

    /// <summary>
    /// How long a request waits for an earlier one that is completing the session: the time of a flush, and of hashing again by sha512.
    /// </summary>
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How often a reached limit makes this process ask which sessions other ones have ended. Chosen: a list of ten thousand takes seconds.
    /// </summary>
    private static readonly TimeSpan SweepAgain = TimeSpan.FromMinutes(1);

    private readonly IContentStore _store;
    private readonly VolumeHealth _health;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<string, UploadSession> _sessions = new(StringComparer.Ordinal);
    private readonly OpenUploads _open = new();

    // The defaults of the configuration, until it is read.
    private volatile UploadLimits _limits = new(10_000, 1_000, 5_000, TimeSpan.FromDays(7));
    private bool _counted;
    private long _sweptAt;

    internal Uploads(IContentStore store, VolumeHealth health, TimeProvider clock, ILogger logger) =>
        (_store, _health, _clock, _logger) = (store, health, clock, logger);

    /// <summary>The number of open sessions, in memory or not.</summary>
    public int Count => _open.Count + (Staged?.Count ?? 0);

    /// <summary>The sessions that were used last, the latest first, as far as they are in memory.</summary>
    /// <param name="most">Returns this many at most.</param>
    public IReadOnlyList<OpenUpload> Latest(int most) =>
    [
        .. _sessions.Values.OrderByDescending(static session => session.LastUse).Take(most).Select(static session => new OpenUpload(
            session.Note.Repository, session.Note.Actor, session.Length, session.Note.Started,
            DateTimeOffset.FromUnixTimeMilliseconds(session.LastUse))),
    ];

    /// <summary>How many sessions may be open, and how long an idle one stays.</summary>
    public UploadLimits Limits
    {
        set
        {
            _limits = value;
            if (Staged is { } staged) staged.Limits = value;
        }
    }

    /// <summary>The sessions of staged repositories, when their bytes are in another store; null when they are in this one.</summary>
    internal Uploads? Staged { get; init; }

    /// <summary>The sessions of the repositories of a root.</summary>
    internal Uploads Of(Lifetime lifetime) => lifetime == Lifetime.Staged && Staged is { } staged ? staged : this;

    /// <summary>The length of a session for a caller that does not have its turn.</summary>
    /// <param name="stored">Bytes in the store.</param>
    internal long LengthOf(UploadSession session, long stored) =>
        _store.SharesUploads ? Math.Max(session.Length, stored) : session.Length == 0 ? stored : session.Length;

    /// <summary>Whether other processes can continue and end the sessions.</summary>
    internal bool AreShared => _store.SharesUploads;

    internal async ValueTask<bool> HasDataAsync(string id) => await _store.FindUploadAsync(id, CancellationToken.None) is not null;

    /// <summary>Opens a session. Throws <see cref="TooManyUploadsException"/> when a limit is reached.</summary>
    public async ValueTask<Upload> OpenAsync(
        string repository, DigestAlgorithm algorithm, string actor, CancellationToken cancellationToken)
    {
        CheckRoom();
        var note = new UploadNote(repository, actor, Digest.NameOf(algorithm), _clock.GetUtcNow());
        var id = RandomNumberGenerator.GetHexString(32, lowercase: true);
        await AddAsync(id, note, cancellationToken);
        var session = new UploadSession(id, note);
        try
        {
            var data = await _store.CreateUploadAsync(session.Id, note, cancellationToken);
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
            if (e is not (IOException or UnauthorizedAccessException)) throw;
            Doubt(e);
            throw new StoreReadOnlyException($"an upload session could not be opened: {Disk.WhyOf(e)}", e);
        }
    }

    // Other processes may have ended sessions since the last sweep.
    private async ValueTask AddAsync(string id, UploadNote note, CancellationToken cancellationToken)
    {
        try
        {
            _open.Add(id, note, _limits);
        }
        catch (TooManyUploadsException) when (_store.SharesUploads && _clock.GetElapsedTime(_sweptAt) > SweepAgain)
        {
            _sweptAt = _clock.GetTimestamp();
            await SweepAsync(cancellationToken);
            _open.Add(id, note, _limits);
        }
    }

    /// <summary>
    /// Reads the state of a session, also while a caller writes to it; null when the repository has no session with this id.
    /// </summary>
    public async ValueTask<Upload?> FindAsync(string repository, string id, CancellationToken cancellationToken)
    {
        if (!IsId(id)) return null;
        var session = await ReadAsync(id, cancellationToken);
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
            var length = session.Length == 0 || _store.SharesUploads ? -1 : session.Length;
            data = await _store.OpenUploadAsync(session.Id, length, cancellationToken);
            if (data is not null)
            {
                session.Length = data.Length;
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

    private async ValueTask<UploadSession?> ReadAsync(string id, CancellationToken cancellationToken)
    {
        if (_sessions.TryGetValue(id, out var known)) return known;
        return await _store.ReadUploadNoteAsync(id, cancellationToken) is { } note
            ? _sessions.GetOrAdd(id, new UploadSession(id, note))
            : null;
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
        await _store.RemoveUploadAsync(id, CancellationToken.None);
        _open.Remove(id);
    }

    /// <summary>Does ahead what takes long of <see cref="CommitAsync"/>; the session stays.</summary>
    internal ValueTask PlaceAsync(string id, Digest digest, CancellationToken cancellationToken) =>
        _store.PlaceUploadAsync(id, digest, cancellationToken);

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
