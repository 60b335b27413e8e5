namespace Gateway.Operations;

/// <summary>
/// The oldest runtime that is safe to serve with: older ones have known holes in what reads requests and speaks TLS, and a host's own
/// patches are not ours to see.
/// </summary>
internal static class RuntimeFloor
{
    /// <summary>
    /// CVE-2026-50524 and CVE-2026-50528: a TLS handshake could end the process, or be taken for another's. The chunk extensions of
    /// CVE-2025-55315 are mended from 10.0.0 on.
    /// </summary>
    public static readonly Version Least = new(10, 0, 10);

    /// <summary>One line that says what to do; null when this runtime will do.</summary>
    public static string? Problem(Version running) => running >= Least
        ? null
        : $"expected .NET and ASP.NET Core {Least} or newer, running on {running}, which has known holes; update the runtime";
}
