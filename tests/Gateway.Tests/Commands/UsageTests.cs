using Gateway.Commands;
using Xunit;

namespace Gateway.Tests.Commands;

/// <summary>A command line that is wrong: what is told, and the exit code that scripts see.</summary>
public sealed class UsageTests
{
    [Theory]
    [InlineData(2, "stats --top many", "--top: expected a whole number, got 'many'")]
    [InlineData(2, "stats --server nowhere", "--server: expected an address such as http://127.0.0.1:5001, got 'nowhere'")]
    [InlineData(2, "promote a:1 b:1 --server nowhere", "--server: expected an address such as http://127.0.0.1:5000, got 'nowhere'")]
    [InlineData(2, "purge --dryrun", "unknown option '--dryrun'; did you mean --dry-run?")]
    [InlineData(2, "purge docker.io --dryrun", "unknown option '--dryrun'; did you mean --dry-run?")]
    [InlineData(2, "prefetch", "expected an image such as nginx:1.27")]
    [InlineData(2, "purge", "purge")]
    [InlineData(2, "delete team/app", "REFERENCE: expected repository:tag or repository@digest, got 'team/app'")]
    [InlineData(2, "hash-password anonymous", "NAME: expected a name without a colon")]
    [InlineData(2, "hash-password --cost 99 ci", "--cost: expected a whole number from 5 to 16")]
    [InlineData(2, "completion tcsh", "tcsh")]
    [InlineData(2, "schema --yaml", "--yaml")]
    [InlineData(2, "help frobnicate", "unknown command 'frobnicate'")]
    [InlineData(4, "policy", "expected a command after 'gateway policy', got none")]
    [InlineData(4, "policy explan", "unknown command 'policy explan'; did you mean explain?")]
    [InlineData(4, "policy frobnicate", "the commands of 'gateway policy' are explain, lint, test, diff, import")]
    public async Task Wrong_usage_is_explained_without_type_names(int code, string line, string expected)
    {
        var (ended, output, error) = await RunAsync(line.Split(' '));

        Assert.Equal((code, ""), (ended, output));
        Assert.Contains(expected, error);
        Assert.DoesNotContain("System.", error);
    }

    [Theory]
    [InlineData("--reason", "--- approved")]
    [InlineData("--reason=--approved")]
    public async Task Value_of_an_option_may_begin_with_hyphens(params string[] reason)
    {
        var (_, _, error) = await RunAsync(["holds", "release", "team/app:1", "--server", "http://127.0.0.1:1", .. reason]);

        Assert.DoesNotContain("unknown option", error);
        Assert.DoesNotContain("--help", error);
    }

    [Theory]
    [InlineData("help", "prefetch")]
    [InlineData("help prefetch", "--platform")]
    [InlineData("help policy lint", "--json")]
    public async Task Help_is_also_a_command(string line, string expected)
    {
        var (code, output, _) = await RunAsync(line.Split(' '));

        Assert.Equal(0, code);
        Assert.Contains(expected, output);
    }

    [Theory]
    [InlineData("bash", "complete -F _gateway gateway")]
    [InlineData("zsh", "#compdef gateway")]
    [InlineData("fish", "complete -c gateway")]
    public async Task Completion_prints_the_script_for_a_shell(string shell, string expected) =>
        Assert.Contains(expected, (await RunAsync("completion", shell)).Output);

    [Theory]
    [InlineData("gateway po", "policy")]
    [InlineData("gateway policy im", "import")]
    [InlineData("gateway stats --", "--top")]
    public async Task Completion_lists_valid_continuations(string line, string expected)
    {
        var (_, output, _) = await RunAsync($"[suggest:{line.Length}]", line);

        Assert.Contains(expected, output.Split(Environment.NewLine));
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync(arguments, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
