namespace Gateway.Storage;

/// <summary>The segments of the journal on the disk, from the start of one process to the checkpoints of the next.</summary>
internal sealed class JournalSegments(Folders folders, VolumeHealth health, ILogger logger)
{
    /// <summary>Whether an earlier process left records that must be applied.</summary>
    public bool Any => Journal.Segments(folders.Journal).Length > 0;

    /// <summary>
    /// Applies every record that an earlier process acknowledged, in order. Returns the number of the last one; 0 for none.
    /// </summary>
    /// <exception cref="InvalidDataException">A record is damaged.</exception>
    /// <exception cref="IOException">A record cannot be read or applied.</exception>
    public long Replay(Action<JournalRecord> apply)
    {
        var count = 0;
        long last = 0;
        foreach (var record in Journal.Read(folders.Journal))
        {
            apply(record);
            (last, count) = (record.Sequence, count + 1);
        }
        if (count > 0) Log.Replayed(logger, count);
        return last;
    }

    /// <summary>Ends the segments of earlier processes, whose records are applied.</summary>
    public void EndAll(long sequence) => End(Journal.Segments(folders.Journal), sequence);

    /// <summary>
    /// Makes everything written so far durable, records the number of the last change, and removes segments that are no longer needed.
    /// </summary>
    public void End(IReadOnlyList<string> segments, long sequence)
    {
        try
        {
            // Segments that were not replayed have acknowledged changes that are stored nowhere else.
            if (segments.Count == 0 || health.WhyNotReplayed is not null) return;
            // A failed flush ends all writes, so this is not tried again, and the segments stay for the next start.
            folders.Durability.FlushAll();
            folders.NoteSequence(sequence);
            foreach (var segment in segments) File.Delete(segment);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.CheckpointFailed(logger, e);
        }
    }

    /// <summary>A journal for the records of this process.</summary>
    /// <param name="sequence">The number of the last change of earlier processes.</param>
    public Journal Create(long sequence) => Journal.Create(folders.Journal, sequence, folders.Durability);
}
