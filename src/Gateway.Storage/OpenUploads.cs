namespace Gateway.Storage;

/// <summary>How many sessions may be open at once, and how long one is kept that nobody touches.</summary>
public sealed record UploadLimits(int All, int PerRepository, int PerActor, TimeSpan Idle);

/// <summary>Somebody has as many upload sessions open as he may. One line fit for a client.</summary>
public sealed class TooManyUploadsException(string why) : IOException(why);

/// <summary>A later request of the same client has taken the upload session over. One line fit for a client.</summary>
public sealed class UploadTakenOverException(Exception inner)
    : IOException("another request has taken this upload session over; ask the session how far it has come", inner);

/// <summary>
/// Whose every open session is, so that none keeps so many that others get none. Some 200 bytes each, and as many as the limit allows.
/// </summary>
internal sealed class OpenUploads
{
    private readonly Dictionary<string, (string Repository, string Actor)> _owners = new(StringComparer.Ordinal);

    public int Count
    {
        get
        {
            lock (_owners) return _owners.Count;
        }
    }

    /// <summary>Notes a session; throws <see cref="TooManyUploadsException"/>, and notes none, where there are as many as may be.</summary>
    public void Add(string id, UploadNote note, UploadLimits limits)
    {
        lock (_owners)
        {
            Check(_owners.Count, limits.All, "this registry");
            // Counted anew each time: a scan of ten thousand takes some 50 µs beside the files that are then made.
            var inRepository = _owners.Values.Count(owner => owner.Repository == note.Repository);
            Check(inRepository, limits.PerRepository, $"repository {note.Repository}");
            Check(_owners.Values.Count(owner => owner.Actor == note.Actor), limits.PerActor, note.Actor);
            _owners[id] = (note.Repository, note.Actor);
        }
    }

    /// <summary>Notes one that an earlier process opened, whatever the limits are now.</summary>
    public void Keep(string id, UploadNote note)
    {
        lock (_owners) _owners[id] = (note.Repository, note.Actor);
    }

    public void Remove(string id)
    {
        lock (_owners) _owners.Remove(id);
    }

    private static void Check(int count, int limit, string whose)
    {
        if (count >= limit)
            throw new TooManyUploadsException($"{count} upload sessions of {whose} are open, no more may be; finish or cancel some");
    }
}
