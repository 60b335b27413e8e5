namespace Gateway.Policy.Signatures;

/// <summary>A time at which a signature, and with it the signed content, provably existed.</summary>
/// <param name="By">What proves it: <see cref="Log"/> or <see cref="Stamp"/>.</param>
internal sealed record SignedTime(DateTimeOffset At, string By)
{
    /// <summary>A transparency log confirms that it accepted the signature then.</summary>
    public const string Log = "log entry";

    /// <summary>A pinned time stamper saw it then (RFC 3161).</summary>
    public const string Stamp = "time stamp";

    /// <summary>The earliest of the verified times, which proves the most; null when there is none.</summary>
    public static SignedTime? Earliest(IEnumerable<DateTimeOffset> logged, IEnumerable<DateTimeOffset> stamped) =>
        logged.Select(static at => new SignedTime(at, Log)).Concat(stamped.Select(static at => new SignedTime(at, Stamp)))
            .MinBy(static time => time.At);
}
