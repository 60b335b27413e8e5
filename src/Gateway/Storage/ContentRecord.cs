using System.Runtime.InteropServices;

namespace Gateway.Storage;

/// <summary>What the index holds of some content, under whatever repositories it is linked.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal record struct ContentRecord
{
    /// <summary>Number of the process start in which the disk last confirmed the content; set when it is written.</summary>
    public uint Generation { get; set; }

    /// <summary>Bytes.</summary>
    public long Size { get; set; }

    /// <summary>Unix seconds of the last use, right to a minute.</summary>
    public long LastUse { get; set; }

    /// <summary>The roots that have it, one bit each.</summary>
    public byte Roots { get; set; }
}
