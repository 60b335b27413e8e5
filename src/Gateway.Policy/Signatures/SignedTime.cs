namespace Gateway.Policy.Signatures;

/// <summary>A moment at which a signature provably existed, and with it what it signs.</summary>
/// <param name="At">The moment.</param>
/// <param name="By">What proves it: <see cref="Log"/> or <see cref="Stamp"/>.</param>
internal sealed record SignedTime(DateTimeOffset At, string By)
{
    /// <summary>A transparency log promised to have taken it then.</summary>
    public const string Log = "log entry";

    /// <summary>A pinned time stamper saw it then (RFC 3161).</summary>
    public const string Stamp = "time stamp";

    /// <summary>The earliest of verified moments: of all that prove the same, it says most. Null where there is none.</summary>
    public static SignedTime? Earliest(IEnumerable<DateTimeOffset> logged, IEnumerable<DateTimeOffset> stamped) =>
        logged.Select(static at => new SignedTime(at, Log)).Concat(stamped.Select(static at => new SignedTime(at, Stamp)))
            .MinBy(static time => time.At);
}
