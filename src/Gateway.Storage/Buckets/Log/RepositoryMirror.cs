namespace Gateway.Storage;

/// <summary>
/// Keeps the links of one repository in distribution's layout up to date, in the background after each commit. What a replica leaves undone
/// because it ends, another one does before the changes leave the tail of the head.
/// </summary>
/// <param name="started">Receives each task that writes links.</param>
internal sealed class RepositoryMirror(LinkMirror mirror, LogObjects objects, Action<Task> started, ILogger logger)
{
    private readonly Lock _lock = new();
    private LogHead? _next;
    private (long Sequence, Guid Id) _done;

    /// <summary>
    /// The last change of a log up to which all links were made here; 0 for none. A log can have replaced another one, as from a backup.
    /// </summary>
    public long DoneOf(LogHead head)
    {
        lock (_lock) return head.IdOf(_done.Sequence) == _done.Id ? _done.Sequence : 0;
    }

    /// <summary>Makes the links of a head that was written, soon.</summary>
    public void Written(LogHead head)
    {
        lock (_lock)
        {
            (var isIdle, _next) = (_next is null, head);
            if (isIdle) started(Task.Run(WriteAllAsync));
        }
    }

    /// <summary>Makes the links of a head's changes up to one, if they are not made yet.</summary>
    public async Task CompleteAsync(LogHead head, long last)
    {
        var before = Math.Max(head.Mirrored, DoneOf(head));
        if (last <= before) return;
        LogRecord[] records = [.. (await objects.ReadAfterAsync(head, before)).TakeWhile(record => record.Sequence <= last)];
        await mirror.WriteAsync(objects.Name, records, CancellationToken.None);
        if (head.IdOf(last) is { } id) Note(last, id);
    }

    private async Task WriteAllAsync()
    {
        try
        {
            while (Next() is { } head)
            {
                var made = LogHead.Empty;
                // A link that another replica wrote for a later change was perhaps just overwritten: then it is written again.
                for (var now = head; now.Sequence > made.Sequence; now = (await objects.ReadAsync(null)).Head!)
                {
                    await CompleteAsync(now, now.Sequence);
                    made = now;
                }
                Finish(head, made);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.NotMirrored(logger, e, objects.Name);
            lock (_lock) _next = null;
        }
    }

    private LogHead? Next()
    {
        lock (_lock) return _next;
    }

    // A waiting head whose changes are part of the last one that was made is not made: its links would overwrite later ones.
    private void Finish(LogHead head, LogHead made)
    {
        lock (_lock)
        {
            if (_next == head || (_next is { Recent: [.., var last] } next && made.IdOf(next.Sequence) == last)) _next = null;
        }
    }

    // An earlier change than the noted one only makes the links of some changes once more.
    private void Note(long last, Guid id)
    {
        lock (_lock) _done = (last, id);
    }
}
