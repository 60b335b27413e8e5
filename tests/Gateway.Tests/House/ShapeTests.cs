using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.House;

/// <summary>That every file can be read at a sitting, and beside another one on a screen.</summary>
public sealed partial class ShapeTests
{
    private const int MostLines = 300;
    private const int LongestLine = 140;

    private static string Root => DependencyTests.Root;

    [Theory]
    [InlineData("src")]
    [InlineData("tests")]
    [InlineData("bench")]
    public void Files_have_at_most_300_lines(string folder) => Assert.Empty(
        DependencyTests.Files(folder).Where(f => File.ReadLines(f).Count() > MostLines).Select(f => Path.GetRelativePath(Root, f)));

    [Fact]
    public void Pages_of_the_console_have_at_most_300_lines_of_at_most_160_characters() => Assert.Empty(
        Directory.EnumerateFiles(Path.Combine(Root, "src/Gateway/WebConsole"), "*.razor", SearchOption.AllDirectories)
            .Where(static f => File.ReadLines(f).Count() > MostLines || File.ReadLines(f).Any(static line => line.Length > 160))
            .Select(f => Path.GetRelativePath(Root, f)));

    [Fact]
    public void Source_lines_have_at_most_140_characters() => Assert.Empty(LongLines("src", static line => line));

    [Theory]
    [InlineData("tests")]
    [InlineData("bench")]
    public void Test_lines_without_long_literals_have_at_most_140_characters(string folder) =>
        Assert.Empty(LongLines(folder, WithoutTexts));

    // A document, a message, a key: of 80 characters, beside which there is little room for anything else.
    private static string WithoutTexts(string line) => Literal().Replace(line, static text => text.Length < 80 ? text.Value : "");

    private static IEnumerable<string> LongLines(string folder, Func<string, string> code) =>
        from file in DependencyTests.Files(folder)
        from line in Lines(file)
        where code(line.Text).Length > LongestLine
        select $"{Path.GetRelativePath(Root, file)}:{line.Number}";

    // Without the lines of raw strings, which are as they must be.
    private static IEnumerable<(int Number, string Text)> Lines(string file)
    {
        var isText = false;
        foreach (var (i, line) in File.ReadLines(file).Index())
        {
            var wasText = isText;
            if (line.Split("\"\"\"").Length % 2 == 0) isText = !isText;
            if (!wasText && !isText) yield return (i + 1, line);
        }
    }

    [GeneratedRegex(@"""{3}.*?""{3}|""(?:\\.|[^""\\])*""")]
    private static partial Regex Literal();
}
