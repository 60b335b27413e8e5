using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Gateway.Storage;

/// <summary>
/// CRC-32C (RFC 3720 §12.1), by the processor's own instruction where it has one: finds what a disk or a cut write changed, not what an
/// attacker did.
/// </summary>
internal static class Crc32C
{
    /// <summary>What a sum starts from (RFC 3720: all ones), so that leading zeros count.</summary>
    public const uint Start = uint.MaxValue;

    /// <summary>The sum of what was summed before and these bytes.</summary>
    public static uint Append(uint sum, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length >= sizeof(ulong))
        {
            sum = BitOperations.Crc32C(sum, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[sizeof(ulong)..];
        }
        foreach (var one in bytes) sum = BitOperations.Crc32C(sum, one);
        return sum;
    }

    /// <summary>The sum of what was summed before and a value's bytes; the value must have no padding.</summary>
    public static uint Append<T>(uint sum, in T value)
        where T : unmanaged => Append(sum, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));
}
