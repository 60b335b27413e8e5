using System.Runtime.InteropServices;

namespace Gateway.Storage;

/// <summary>
/// The lookup index's record of a cached content: how it was used, which decides when it is evicted. 16 bytes without padding.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal record struct ContentRecord
{
    // As wide as needed to leave no padding.
    private ulong _uses;

    /// <summary>See <see cref="Worth.Priority"/>.</summary>
    public double Priority { get; set; }

    /// <summary>See <see cref="Worth.Uses"/>.</summary>
    public uint Uses { readonly get => (uint)_uses; set => _uses = value; }
}
