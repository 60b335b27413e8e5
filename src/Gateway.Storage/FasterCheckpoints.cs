using System.Buffers.Binary;
using FASTER.core;

namespace Gateway.Storage;

/// <summary>
/// The checkpoints of one store. Each notes how long its hash table is: FASTER takes a shorter one for a table with less in it.
/// </summary>
// FASTER calls these by the interface, which is implemented anew here: the base class seals them.
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
                $"the hash table of checkpoint {indexToken} should have {length} bytes and has {LengthOf(indexToken)}");
        return noted[sizeof(long)..];
    }

    private long LengthOf(Guid indexToken) => files.LengthOf(checkpointNamingScheme.HashTable(indexToken));
}
