using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.House;

/// <summary>docs/hostile-inputs.md names for every input the tests that hold its answer, and they are there.</summary>
public sealed partial class HostileInputsPageTests
{
    private const int Inputs = 55;

    [Fact]
    public void Every_input_has_a_test() =>
        Assert.Equal(Enumerable.Range(1, Inputs), Rows().Where(static row => row.Tests.Count > 0).Select(static row => row.Number));

    [Fact]
    public void Every_test_that_the_page_names_is_there()
    {
        var classes = Directory.EnumerateFiles(Path.Combine(Root, "tests"), "*Tests.cs", SearchOption.AllDirectories)
            .ToLookup(static file => Path.GetFileNameWithoutExtension(file), static file => File.ReadAllText(file));
        var missing = Rows().SelectMany(static row => row.Tests)
            .Where(test => !classes[test.Class].Any(code => code.Contains($" {test.Name}(", StringComparison.Ordinal)));
        Assert.Empty(missing);
    }

    private static List<(int Number, List<(string Class, string Name)> Tests)> Rows() =>
        [.. Row().Matches(File.ReadAllText(Path.Combine(Root, "docs/hostile-inputs.md"))).Select(static row => (
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
