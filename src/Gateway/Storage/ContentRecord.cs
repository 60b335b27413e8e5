using System.Runtime.InteropServices;

namespace Gateway.Storage;

/// <summary>What the index holds of some content, under whatever repositories it is linked. 24 bytes without padding.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal record struct ContentRecord
{
    // As wide as to leave no padding.
    private uint _roots;

    /// <summary>Number of the process start in which the disk last confirmed the content; set when it is written.</summary>
    public uint Generation { get; set; }

    /// <summary>Bytes.</summary>
    public long Size { get; set; }

    /// <summary>Unix seconds of the last use, right to a minute.</summary>
    public long LastUse { get; set; }

    /// <summary>The roots that have it, one bit each.</summary>
    public byte Roots { readonly get => (byte)_roots; set => _roots = value; }
}
