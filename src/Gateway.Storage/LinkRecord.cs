using System.Runtime.InteropServices;

namespace Gateway.Storage;

/// <summary>What the index holds of one link: what the disk says, and what the gate noted. 104 bytes without padding.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal record struct LinkRecord
{
    // As wide as to leave no padding.
    private ushort _flags;
    private ushort _outcome;

    /// <summary>
    /// Number of the process start in which the disk last confirmed the link; set by
    /// <see cref="LinkIndex.Write(in LinkKey, in LinkRecord)"/>.
    /// </summary>
    public uint Generation { get; set; }

    /// <summary>The caller's own marks.</summary>
    public byte Flags { readonly get => (byte)_flags; set => _flags = value; }

    /// <summary>Bytes; -1 when unknown.</summary>
    public long Size { get; set; }

    /// <summary>The policy's revision in a verdict; see <see cref="VerdictStamp"/>.</summary>
    public ulong Revision { get; set; }

    /// <summary>The verdict's outcome as a number.</summary>
    public byte Outcome { readonly get => (byte)_outcome; set => _outcome = value; }

    /// <summary>Unix seconds of the earliest moment that could change the verdict; 0 for never.</summary>
    public long Until { get; set; }

    /// <summary>Of a blob: the manifest that last admitted it.</summary>
    public DigestKey Parent { get; set; }

    /// <summary>The verdict.</summary>
    public readonly VerdictStamp Verdict => new(Revision, Outcome, Until);

    /// <summary>The link without what the gate noted: still a link, to be judged again.</summary>
    public readonly LinkRecord Unjudged() => this with { Revision = 0, Outcome = 0, Until = 0, Parent = default };
}
