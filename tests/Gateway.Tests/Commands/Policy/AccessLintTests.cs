using Gateway.Commands;
using Gateway.Tests.Access;
using Xunit;

namespace Gateway.Tests.Commands.Policy;

/// <summary>Access rules that are allowed and likely not meant: <c>gateway verify</c> warns of each, with its place and remedy.</summary>
public sealed class AccessLintTests : IDisposable
{
    private readonly PolicyRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData("{ actors: [ci], repositories: ['team/**'], actions: [pull] }")]
    [InlineData("{ actors: [anonymous, '*', '@staff'], repositories: ['**', 'a/*/b', 'v1.2/x'], actions: [pull] }")]
    public async Task Effective_access_rule_is_not_reported(string rule) => Assert.Equal("", await VerifyAsync(rule));

    [Theory]
    [InlineData("^team/.+$", "ACCESS_NEVER: '^team/.+$' looks like a regular expression; patterns are globs")]
    [InlineData("team/.*", "ACCESS_NEVER: 'team/.*' looks like a regular expression")]
    [InlineData("team/(a|b)", "ACCESS_NEVER: 'team/(a|b)' looks like a regular expression")]
    [InlineData("team/[a-z]*", "ACCESS_NEVER: 'team/[a-z]*' looks like a regular expression")]
    [InlineData("Team/**", "ACCESS_NEVER: 'Team/**' matches no repository: names are lower case")]
    [InlineData("team/", "ACCESS_NEVER: 'team/' matches no repository")]
    [InlineData("gateway.example.com:5000/team/*", "ACCESS_NEVER: 'gateway.example.com:5000/team/*' matches no repository")]
    public async Task Pattern_that_matches_no_repository_is_reported(string pattern, string expected) =>
        Assert.Contains(
            $"access.rules[0].repositories: {expected}",
            await VerifyAsync($"{{ actors: [ci], repositories: ['{pattern}'], actions: [pull] }}"), StringComparison.Ordinal);

    [Theory]
    [InlineData("cl", "rules[0].actors: ACTOR_UNKNOWN: ", " has no account 'cl'; did you mean ci?; fix: ")]
    [InlineData("CI", "rules[0].actors: ACTOR_UNKNOWN: ", " has no account 'CI'; did you mean ci?; fix: ")]
    [InlineData("ci*", "rules[0].actors: ACTOR_UNKNOWN: ", "; patterns are for the actors of issuers and certificates; fix: ")]
    [InlineData("@others", "groups.others: ACTOR_UNKNOWN: ", " has no account 'nobody'; fix: correct the name, or add the account: ")]
    public async Task Actor_without_an_account_is_reported(string actor, string where, string expected)
    {
        var said = await VerifyAsync($"{{ actors: ['{actor}'], repositories: ['**'], actions: [pull] }}", "others: [nobody]");
        Assert.Contains($"access.{where}", said, StringComparison.Ordinal);
        Assert.Contains(expected, said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("old:$apr1$salt$bGVnYWN5bGVnYWN5bGVnYW", "MD5")]
    [InlineData("old:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1")]
    [InlineData("old:$2y$17$........................................................", "bcrypt with another format or cost")]
    [InlineData("old:s3cret-s3cret", "another hash, or a password in plain text")]
    [InlineData("s3cret-s3cret", "no name before a colon")]
    public async Task Ignored_line_of_the_password_file_is_reported_without_its_content(string line, string kind)
    {
        var said = await VerifyAsync("{ actors: [ci], repositories: ['**'], actions: [pull] }", accounts: [line, $"# {line}", ""]);

        Assert.Contains("access.htpasswd: ACCOUNT_IGNORED: no account in ", said, StringComparison.Ordinal);
        Assert.Contains($", line 2: expected name:$2y$... (bcrypt, cost 5 to 16), got {kind};", said, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", said, StringComparison.Ordinal);
        Assert.DoesNotContain("bGVnYWN5", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("access: { rules: [] }", "access: ACCESS_DENIES_ALL: no rule allows anything")]
    [InlineData("policy: { default: deny }", "policy.default: DEFAULT_DENIES_ALL: default: deny refuses everything without a rule")]
    [InlineData(
        "{ upstreams: { ghcr.io: {} }, routes: [ { prefix: ghcr.io, storage: built-in } ] }",
        "upstreams.ghcr.io: UPSTREAM_UNREACHABLE: it has no route, and another route has the prefix 'ghcr.io'")]
    public async Task Unreachable_upstream_is_reported(string configuration, string expected)
    {
        var (code, error) = await RunAsync(configuration + "\n");
        Assert.Equal(0, code);
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }

    private async Task<string> VerifyAsync(string rule, string groups = "staff: [ci]", params string[] accounts)
    {
        var file = _rig.Write("htpasswd", string.Join('\n', [AccessRig.Line("ci", "ci"), .. accounts]) + "\n");
        var (code, error) = await RunAsync($$"""
            access:
              htpasswd: {{file}}
              groups: { {{groups}} }
              rules:
                - {{rule}}
            """);
        Assert.True(code == 0, error);
        return error;
    }

    private async Task<(int Code, string Error)> RunAsync(string configuration)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync(["verify", "--config", _rig.Write("gateway.yaml", configuration)], output, error);
        return (code, error.ToString());
    }
}
