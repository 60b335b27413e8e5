namespace Gateway.Commands.Policy;

/// <summary>A valid setting that is likely a mistake.</summary>
/// <param name="Path">The key, such as <c>policy.rules[2].match.repos</c>.</param>
/// <param name="Code">A stable code (docs/cli.md lists them).</param>
internal sealed record LintFinding(string Path, string Code, string What, string Fix);
