using System.Buffers.Binary;

namespace Gateway.Policy.Media;

/// <summary>The check sum of gzip (RFC 1952 §8), eight bytes at a time.</summary>
internal static class Crc32
{
    // The polynomial of RFC 1952 §8, its bits reversed.
    private const uint Polynomial = 0xEDB88320;

    private static readonly uint[][] Tables = Build();

    /// <summary>The sum of what was summed before (0 for nothing) and these bytes.</summary>
    public static uint Append(uint sum, ReadOnlySpan<byte> bytes)
    {
        var t = Tables;
        sum = ~sum;
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            var low = BinaryPrimitives.ReadUInt32LittleEndian(bytes) ^ sum;
            var high = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
            sum = t[7][low & 255] ^ t[6][(low >> 8) & 255] ^ t[5][(low >> 16) & 255] ^ t[4][low >> 24]
                ^ t[3][high & 255] ^ t[2][(high >> 8) & 255] ^ t[1][(high >> 16) & 255] ^ t[0][high >> 24];
        }
        foreach (var one in bytes) sum = t[0][(sum ^ one) & 255] ^ (sum >> 8);
        return ~sum;
    }

    private static uint[][] Build()
    {
        var tables = Enumerable.Range(0, 8).Select(static _ => new uint[256]).ToArray();
        for (uint i = 0; i < 256; i++)
        {
            var sum = i;
            for (var bit = 0; bit < 8; bit++) sum = (sum & 1) != 0 ? (sum >> 1) ^ Polynomial : sum >> 1;
            tables[0][i] = sum;
        }
        for (var table = 1; table < 8; table++)
        {
            for (var i = 0; i < 256; i++) tables[table][i] = (tables[table - 1][i] >> 8) ^ tables[0][tables[table - 1][i] & 255];
        }
        return tables;
    }
}
