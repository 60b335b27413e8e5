using System.Runtime.InteropServices;

namespace Gateway.Storage;

/// <summary>The lookup index's record of one link: the facts from the disk, and the notes of the gate. 104 bytes without padding.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal record struct LinkRecord
{
    // As wide as needed to leave no padding.
    private ushort _flags;
    private ushort _outcome;

    /// <summary>
    /// The number of the process start in which the disk last confirmed the link; set by <see cref="LinkIndex.Write(in LinkKey, in
    /// LinkRecord)"/>.
    /// </summary>
    public uint Generation { get; set; }

    /// <summary>Flags that the caller defines.</summary>
    public byte Flags { readonly get => (byte)_flags; set => _flags = value; }

    /// <summary>Bytes; -1 when unknown.</summary>
    public long Size { get; set; }

    /// <summary>The policy's revision in a verdict; see <see cref="VerdictStamp"/>.</summary>
    public ulong Revision { get; set; }

    /// <summary>The verdict's outcome as a number.</summary>
    public byte Outcome { readonly get => (byte)_outcome; set => _outcome = value; }

    /// <summary>Unix seconds of the earliest moment that could change the verdict; 0 for never.</summary>
    public long Until { get; set; }

    /// <summary>For a blob: the manifest that last admitted it.</summary>
    public DigestKey Parent { get; set; }

    public readonly VerdictStamp Verdict => new(Revision, Outcome, Until);

    /// <summary>The link without the gate's notes: the link still exists, and must be evaluated again.</summary>
    public readonly LinkRecord WithoutVerdict() => this with { Revision = 0, Outcome = 0, Until = 0, Parent = default };
}
