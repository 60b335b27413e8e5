using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.House;

/// <summary>Links from page to page lead to a file that is there, and to a heading that the page has.</summary>
public sealed partial class PageLinksTests
{
    private static readonly string Root = FindRoot();

    [Fact]
    public void Every_link_leads_somewhere()
    {
        string[] folders = ["docs", "deploy", "bench"];
        var pages = folders.SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Root, folder), "*.md", SearchOption.AllDirectories))
            .Concat(Directory.EnumerateFiles(Root, "*.md")).ToDictionary(static file => file, File.ReadAllText);
        Assert.InRange(pages.Count, 50, int.MaxValue);

        Assert.DoesNotContain(
            pages.SelectMany(page => Link().Matches(page.Value).Select(link => (Page: page.Key, To: link.Groups[1].Value))),
            link => !Leads(pages, link.Page, link.To));
    }

    private static bool Leads(Dictionary<string, string> pages, string page, string to)
    {
        if (to.StartsWith("http", StringComparison.Ordinal)) return true;
        var parts = to.Split('#', 2);
        var file = parts[0].Length == 0 ? page : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(page)!, parts[0]));
        return Path.Exists(file) && (parts.Length == 1 || !pages.TryGetValue(file, out var text) || Anchors(text).Contains(parts[1]));
    }

    // As GitHub makes them: lower case, spaces as hyphens, without other signs.
    private static IEnumerable<string> Anchors(string text) => Heading().Matches(text)
        .Select(static heading => Sign().Replace(Target().Replace(heading.Groups[1].Value, "$1").ToLowerInvariant(), "").Replace(' ', '-'))
        .Concat(Written().Matches(text).Select(static anchor => anchor.Groups[1].Value));

    private static string FindRoot([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../.."));

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#+ (.*?)\r?$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"\[([^\]]*)\]\([^)]*\)")]
    private static partial Regex Target();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex Sign();

    [GeneratedRegex("<a id=\"([^\"]+)\"")]
    private static partial Regex Written();
}
