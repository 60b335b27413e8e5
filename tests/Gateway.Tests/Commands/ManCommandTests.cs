using Gateway.Commands;
using Xunit;

namespace Gateway.Tests.Commands;

public sealed class ManCommandTests
{
    [Fact]
    public async Task Manual_page_has_every_command_with_its_options()
    {
        var page = await PrintAsync("man");
        var help = await PrintAsync("--help");

        foreach (var command in help.Split('\n').SkipWhile(static line => line != "Commands:").Skip(1)
            .Where(static line => line.Length > 3 && line[2] != ' ').Select(static line => line.Trim().Split(' ')[0]))
            Assert.Contains($".SS \"gateway {command.Replace("-", "\\-")}", page, StringComparison.Ordinal);
        Assert.Contains(".SS \"gateway policy lint", page, StringComparison.Ordinal);
        Assert.Contains("\\fB\\-\\-config\\fR, \\fB\\-c\\fR \\fIFILE\\fR\n", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lines_of_the_manual_page_are_text_or_known_macros()
    {
        var requests = (await PrintAsync("man")).Split('\n').Where(static line => line is ['.' or '\'', ..]);

        var macros = requests.Select(static line => line.Split(' ')[0]).Distinct().Order(StringComparer.Ordinal);
        Assert.Equal([".B", ".I", ".RI", ".SH", ".SS", ".TH", ".TP"], macros);
    }

    private static async Task<string> PrintAsync(params string[] arguments)
    {
        using var output = new StringWriter();
        Assert.Equal(0, await CommandLine.RunAsync(arguments, output, TextWriter.Null));
        return output.ToString().ReplaceLineEndings("\n");
    }
}
