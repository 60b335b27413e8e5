namespace Gateway.Storage;

/// <summary>A change in the log of a shared repository.</summary>
/// <param name="Id">Random: a replica finds out by it whether its change was made.</param>
/// <param name="Adds">How many entries of a limited set the change adds (<see cref="Room.Adds"/>).</param>
/// <param name="Change">
/// The operations in the form of the journal, without bytes (<see cref="LoggedForm"/>). Its number counts the changes of the repository.
/// </param>
internal sealed record LogRecord(Guid Id, int Adds, JournalRecord Change)
{
    /// <summary>The number of the change, from 1.</summary>
    public long Sequence => Change.Sequence;

    public void Write(BinaryWriter to)
    {
        to.Write(Id.ToByteArray());
        to.Write(Adds);
        Change.Write(to);
    }

    /// <summary>Reads a record. Throws <see cref="NewerRecordException"/> for one that this version cannot have written.</summary>
    public static LogRecord Read(BinaryReader from) => new(new(from.ReadBytes(16)), from.ReadInt32(), JournalRecord.Read(from));
}
