using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.House;

/// <summary>Pages that name for each of their rows the tests that hold it, and these are there.</summary>
public sealed partial class PagesOfTestsTests
{
    [Theory]
    [InlineData("hostile-inputs.md", 59)]
    [InlineData("advisories.md", 33)]
    public void Every_row_has_a_test(string page, int atLeast)
    {
        var rows = Rows(page);
        Assert.InRange(rows.Count, atLeast, int.MaxValue);
        Assert.Equal(Enumerable.Range(1, rows.Count), rows.Where(static row => row.Tests.Count > 0).Select(static row => row.Number));
    }

    [Theory]
    [InlineData("hostile-inputs.md")]
    [InlineData("advisories.md")]
    public void Every_test_that_a_page_names_is_there(string page)
    {
        var classes = Directory.EnumerateFiles(Path.Combine(Root, "tests"), "*Tests.cs", SearchOption.AllDirectories)
            .ToLookup(static file => Path.GetFileNameWithoutExtension(file), static file => File.ReadAllText(file));
        var missing = Rows(page).SelectMany(static row => row.Tests)
            .Where(test => !classes[test.Class].Any(code => code.Contains($" {test.Name}(", StringComparison.Ordinal)));
        Assert.Empty(missing);
    }

    private static List<(int Number, List<(string Class, string Name)> Tests)> Rows(string page) =>
        [.. Row().Matches(File.ReadAllText(Path.Combine(Root, "docs", page))).Select(static row => (
            int.Parse(row.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture),
            Test().Matches(row.Value).Select(static test => (test.Groups[1].Value, test.Groups[2].Value)).ToList()))];

    private static string Root { get; } = FindRoot();

    private static string FindRoot([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../.."));

    [GeneratedRegex(@"^(\d+)\. .*(\n {3,}.*)*", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex(@"`(\w+Tests)\.(\w+)`")]
    private static partial Regex Test();
}
