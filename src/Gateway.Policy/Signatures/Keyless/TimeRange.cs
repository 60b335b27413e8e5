using Gateway.Oci;

namespace Gateway.Policy.Signatures.Keyless;

/// <summary>When something of a trusted root counts: a closed interval, as protobuf-specs' TimeRange.</summary>
/// <param name="Start">The first moment.</param>
/// <param name="End">The last moment; null for still in use.</param>
public readonly record struct TimeRange(DateTimeOffset Start, DateTimeOffset? End)
{
    /// <summary>Whether the moment lies within; both ends do.</summary>
    public bool Contains(DateTimeOffset moment) => moment >= Start && (End is not { } end || moment <= end);

    /// <summary>Both ends in UTC, for messages.</summary>
    public override string ToString() => $"{Moments.Text(Start)} to {(End is { } end ? Moments.Text(end) : "now")}";
}
