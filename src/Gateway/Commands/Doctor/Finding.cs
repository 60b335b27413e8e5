namespace Gateway.Commands.Doctor;

/// <summary>How bad a finding is.</summary>
internal enum Level
{
    /// <summary>It was checked and works.</summary>
    Ok,

    /// <summary>It works, but slowly, not for every client, or not for long.</summary>
    Warning,

    /// <summary>Pulls fail, or bypass the gateway.</summary>
    Error,
}

/// <summary>One line of <c>gateway doctor</c>.</summary>
/// <param name="Code">Stable; docs/doctor.md has one row for each code. For what works, the name of the check.</param>
/// <param name="About">What was checked: an address, an upstream, a client or a file.</param>
/// <param name="Problem">What was expected and what was found; for what works, what was seen.</param>
/// <param name="Fix">What to do, in the imperative; null for what works.</param>
internal sealed record Finding(Level Level, string Code, string About, string Problem, string? Fix = null)
{
    public static Finding Ok(string check, string about, string seen) => new(Level.Ok, check, about, seen);

    public static Finding Warning(string code, string about, string problem, string fix) => new(Level.Warning, code, about, problem, fix);

    public static Finding Error(string code, string about, string problem, string fix) => new(Level.Error, code, about, problem, fix);

    /// <summary>One line for people.</summary>
    public override string ToString() =>
        $"{Level.ToString().ToLowerInvariant(),-8} {Code,-22} {About}: {Problem}{(Fix is null ? "" : $"; fix: {Fix}")}";
}
