using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.House;

/// <summary>SECURITY.md promises nothing that no test holds.</summary>
public sealed partial class SecurityPageTests
{
    private static readonly string Root = Path.GetFullPath(Path.Combine(Here(), "../../../.."));

    private static readonly string Promises = Part(File.ReadAllText(Path.Combine(Root, "SECURITY.md")));

    private static readonly string[] Files = Directory.EnumerateFiles(Path.Combine(Root, "tests"), "*.cs", SearchOption.AllDirectories)
        .Where(f => !f.Contains("/obj/", StringComparison.Ordinal)).ToArray();

    [Fact]
    public void Every_test_that_a_promise_names_is_there()
    {
        var named = Test().Matches(Promises);
        Assert.NotEmpty(named);
        Assert.All(named, test => Assert.True(Exists(test.Groups[1].Value, test.Groups[2].Value), $"{test.Value} is not there"));
    }

    [Fact]
    public void Every_promise_names_a_test() =>
        Assert.All(Promise().Split(Promises).Skip(1), promise => Assert.Matches(Test(), promise));

    // Access/TokenTests is tests/Gateway.Tests/Access/TokenTests.cs, Upstream/TokenTests is tests/Gateway.Upstream.Tests/TokenTests.cs, and
    // BlackBox/SecretsTests is tests/Gateway.BlackBox/SecretsTests.cs.
    private static bool Exists(string file, string test) =>
        Files.Where(f => Paths(file).Any(path => f.EndsWith(path, StringComparison.Ordinal)))
            .Any(f => File.ReadAllText(f).Contains($" {test}(", StringComparison.Ordinal));

    private static string[] Paths(string file) =>
        [$"/{file}.cs", $".{file}.cs", $"/Gateway.{file.Replace("/", ".Tests/", StringComparison.Ordinal)}.cs"];

    private static string Part(string page)
    {
        var from = page.IndexOf("## What the gateway promises", StringComparison.Ordinal);
        return page[from..page.IndexOf("\n## ", from, StringComparison.Ordinal)];
    }

    private static string Here([CallerFilePath] string here = "") => here;

    // A test stands under its promise: `Folder/Class.Name_of_the_test`.
    [GeneratedRegex(@"`([A-Za-z]+/[A-Za-z]+)\.([A-Z]\w+)`")]
    private static partial Regex Test();

    [GeneratedRegex(@"^- ", RegexOptions.Multiline)]
    private static partial Regex Promise();
}
