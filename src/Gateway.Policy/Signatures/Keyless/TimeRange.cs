namespace Gateway.Policy.Signatures.Keyless;

/// <summary>The validity of an item of a trusted root: a closed interval, as in protobuf-specs' TimeRange.</summary>
/// <param name="Start">The first moment.</param>
/// <param name="End">The last moment; null when still in use.</param>
public readonly record struct TimeRange(DateTimeOffset Start, DateTimeOffset? End)
{
    /// <summary>Whether the time is within; both ends are included.</summary>
    public bool Contains(DateTimeOffset moment) => moment >= Start && (End is not { } end || moment <= end);

    /// <summary>Both ends in UTC, for messages.</summary>
    public override string ToString() => $"{Moments.Text(Start)} to {(End is { } end ? Moments.Text(end) : "now")}";
}
