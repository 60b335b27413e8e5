namespace Gateway.Commands.Policy;

/// <summary>Something in a policy that is allowed to stand there, and likely not what was meant.</summary>
/// <param name="Path">The key, such as <c>policy.rules[2].match.repos</c>.</param>
/// <param name="Code">A stable code (docs/cli.md lists them).</param>
/// <param name="What">What it comes to.</param>
/// <param name="Fix">What to write instead.</param>
internal sealed record LintFinding(string Path, string Code, string What, string Fix);
