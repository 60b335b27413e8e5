namespace Gateway.Operations;

/// <summary>
/// The oldest runtime that is safe to serve with. Older ones have known vulnerabilities in request parsing and TLS, and the gateway cannot
/// see a host's own patches.
/// </summary>
internal static class RuntimeFloor
{
    /// <summary>
    /// CVE-2026-50524 and CVE-2026-50528: a TLS handshake could end the process, or be confused with another's. CVE-2025-55315 (chunk
    /// extensions) is fixed from 10.0.0 on.
    /// </summary>
    public static readonly Version Least = new(10, 0, 10);

    /// <summary>One line with the remedy; null if this runtime is new enough.</summary>
    public static string? Problem(Version running) => running >= Least
        ? null
        : $"expected .NET and ASP.NET Core {Least} or newer, got {running}, which has known vulnerabilities; update the runtime";
}
