namespace Gateway.Storage;

/// <summary>How far a copy of a repository's metadata has applied the log.</summary>
/// <param name="Sequence">The number of the last change that is applied; 0 for none.</param>
/// <param name="Id">The id of that change. Another id under the same number means that the log is another one.</param>
/// <param name="ETag">The ETag of the head whose changes are all applied; null when there is no such head.</param>
internal readonly record struct LogPosition(long Sequence, Guid Id, string? ETag);

/// <summary>The result of a check: either why the change must not be made, or the record to append.</summary>
internal readonly record struct CheckedChange(CommitResult? Refusal, JournalRecord? Record);

/// <summary>The log has changes that could not be written to the copy: the disk of this replica accepts no writes.</summary>
internal sealed class CopyUnwrittenException(string why, Exception inner) : StoreReadOnlyException(why, inner);

/// <summary>
/// A replica's copy of the metadata of one repository, made by applying its log. <see cref="RepositoryLog"/> makes one call at a time.
/// Applying records again has the same result as applying them once.
/// </summary>
internal interface ILogState
{
    LogPosition Position { get; }

    /// <summary>Checks changes in their order, each against the expected result of the earlier ones. Changes nothing.</summary>
    /// <param name="sequence">The number of the last change; those that may be made get the following ones.</param>
    IReadOnlyList<CheckedChange> Check(IReadOnlyList<Change> changes, long sequence, DateTimeOffset at);

    /// <summary>
    /// Applies records that follow the position, whatever was changed here; notes the new position last. Throws
    /// <see cref="CopyUnwrittenException"/>.
    /// </summary>
    /// <param name="own">The changes that this replica has just made, by their ids in the log.</param>
    ValueTask ApplyAsync(IReadOnlyList<LogRecord> records, LogPosition after, IReadOnlyDictionary<Guid, Change> own);

    /// <summary>
    /// Makes the copy what these records make of an empty repository (<see cref="LogFold"/>). Throws <see cref="CopyUnwrittenException"/>.
    /// </summary>
    ValueTask ResetAsync(IReadOnlyList<LogRecord> folded, LogPosition after);
}
