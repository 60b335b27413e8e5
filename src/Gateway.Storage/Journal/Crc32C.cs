using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Gateway.Storage;

/// <summary>
/// CRC-32C (RFC 3720 §12.1) in the two forms that files on disk contain. It detects damage by a disk or an interrupted write, not by an
/// attacker.
/// </summary>
internal static class Crc32C
{
    /// <summary>The standard checksum, as used in the journal.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes) => Crc32.HashToUInt32(Crc32ParameterSet.Crc32C, bytes);

    /// <summary>
    /// The checksum of a value's bytes without the final inversion, as used in the lookup index. The value must have no padding.
    /// </summary>
    public static uint RawOf<T>(in T value)
        where T : unmanaged => ~Of(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));

    /// <summary>The checksum of some bytes followed by a number in little-endian order, without the final inversion.</summary>
    public static uint RawOf(ReadOnlySpan<byte> bytes, ulong number)
    {
        var sum = new Crc32(Crc32ParameterSet.Crc32C);
        sum.Append(bytes);
        sum.Append(MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in number)));
        return ~sum.GetCurrentHashAsUInt32();
    }
}
