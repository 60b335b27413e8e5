using System.Buffers.Binary;
using FASTER.core;

namespace Gateway.Storage;

/// <summary>
/// The checkpoints of one store. Each records the length of its hash table, because FASTER accepts a shorter file as a table with fewer
/// entries.
/// </summary>
// FASTER calls these methods through the interface. It is implemented again here because the base class seals them.
internal sealed class FasterCheckpoints(FasterFiles files, ICheckpointNamingScheme names)
    : DeviceLogCommitCheckpointManager(files, names, removeOutdated: true), ICheckpointManager
{
    public new IDevice GetIndexDevice(Guid indexToken)
    {
        var device = files.GetOpenEnded(checkpointNamingScheme.HashTable(indexToken));
        device.Initialize(-1);
        return device;
    }

    public new void CommitIndexCheckpoint(Guid indexToken, byte[] commitMetadata)
    {
        var noted = new byte[commitMetadata.Length + sizeof(long)];
        commitMetadata.CopyTo(noted, sizeof(long));
        BinaryPrimitives.WriteInt64LittleEndian(noted, LengthOf(indexToken));
        base.CommitIndexCheckpoint(indexToken, noted);
    }

    public new byte[] GetIndexCheckpointMetadata(Guid indexToken)
    {
        var noted = base.GetIndexCheckpointMetadata(indexToken);
        var length = BinaryPrimitives.ReadInt64LittleEndian(noted);
        if (length != LengthOf(indexToken))
            throw new InvalidDataException(
                $"expected {length} bytes in the hash table of checkpoint {indexToken}, got {LengthOf(indexToken)}");
        return noted[sizeof(long)..];
    }

    private long LengthOf(Guid indexToken) => files.LengthOf(checkpointNamingScheme.HashTable(indexToken));
}
