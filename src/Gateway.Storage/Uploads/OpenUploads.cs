namespace Gateway.Storage;

/// <summary>How many sessions may be open at once, and how long an idle one stays.</summary>
public sealed record UploadLimits(int All, int PerRepository, int PerActor, TimeSpan Idle);

/// <summary>The caller has reached a limit of open upload sessions. The message is one line that a client may see.</summary>
public sealed class TooManyUploadsException(string why) : IOException(why);

/// <summary>A later request of the same client has taken over the upload session. The message is one line that a client may see.</summary>
public sealed class UploadTakenOverException(Exception inner)
    : IOException("another request has taken over this upload session; send GET to the session to learn its offset", inner);

/// <summary>
/// The repository and account of every open session, so that none uses up the sessions of all others. Some 200 bytes per session, up to the
/// limit.
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

    /// <summary>Adds a session. Throws <see cref="TooManyUploadsException"/>, and adds none, when a limit is reached.</summary>
    public void Add(string id, UploadNote note, UploadLimits limits)
    {
        lock (_owners)
        {
            Check(_owners.Count, limits.All, "this registry");
            // Counted each time: a scan of ten thousand takes some 50 µs, which is little beside the files that are then created.
            var inRepository = _owners.Values.Count(owner => owner.Repository == note.Repository);
            Check(inRepository, limits.PerRepository, $"repository {note.Repository}");
            Check(_owners.Values.Count(owner => owner.Actor == note.Actor), limits.PerActor, note.Actor);
            _owners[id] = (note.Repository, note.Actor);
        }
    }

    /// <summary>Adds a session that an earlier process opened, whatever the current limits are.</summary>
    public void Keep(string id, UploadNote note)
    {
        lock (_owners) _owners[id] = (note.Repository, note.Actor);
    }

    public void Remove(string id)
    {
        lock (_owners) _owners.Remove(id);
    }

    /// <summary>The ids of all sessions.</summary>
    public HashSet<string> All()
    {
        lock (_owners) return [.. _owners.Keys];
    }

    private static void Check(int count, int limit, string whose)
    {
        if (count >= limit)
            throw new TooManyUploadsException($"{count} upload sessions of {whose} are open, the limit is {limit}; finish or cancel some");
    }
}
