using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Xunit;

namespace Gateway.Tests.House;

/// <summary>The lines of ARCHITECTURE.md's ownership table that a machine can hold: which room may know which.</summary>
public sealed partial class DependencyTests
{
    /// <summary>Every room of the server, each with the rooms below it that it may name.</summary>
    public static TheoryData<string, string[]> Rooms => new()
    {
        {
            "Registry",
            ["Web", "Operations", "Repositories", "Storage", "Access", "Configuration", "Transport", "Oci", "Policy"]
        },
        { "Web", ["Operations", "Upstream", "Access", "Configuration"] },
        {
            "Operations",
            ["Repositories", "Fronting", "PullThrough", "Storage", "Upstream", "Access", "Configuration", "Transport", "Oci", "Policy"]
        },
        { "Repositories", ["Storage", "Access", "Configuration", "Oci", "Policy"] },
        { "Fronting", ["PullThrough", "Storage", "Upstream", "Configuration", "Oci"] },
        { "PullThrough", ["Storage", "Upstream", "Configuration", "Transport", "Oci", "Policy"] },
        { "Access", ["Configuration", "Oci", "Policy"] },
        { "Configuration", ["Upstream", "Oci", "Policy"] },
        { "Transport", ["Storage"] },
    };

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_room_names_only_rooms_below_it(string room, string[] below) =>
        Assert.Empty(
            Files($"src/Gateway/{room}")
                .SelectMany(f => Named(f).Where(n => n != room && !below.Contains(n)).Select(n => $"{Path.GetFileName(f)} names {n}")));

    /// <summary>Every project, each with the projects that it may use: the arrows that the compiler then enforces.</summary>
    [Theory]
    [InlineData("Oci")]
    [InlineData("Policy", "Oci")]
    [InlineData("Storage", "Oci")]
    [InlineData("Upstream", "Oci")]
    public void A_project_references_only_projects_below_it(string project, params string[] below)
    {
        var file = XDocument.Load(Path.Combine(Root, $"src/Gateway.{project}/Gateway.{project}.csproj"));
        var referenced = file.Descendants("ProjectReference")
            .Select(reference => Path.GetFileNameWithoutExtension((string?)reference.Attribute("Include")));
        Assert.Equal(below.Select(name => $"Gateway.{name}"), referenced);
    }

    [Fact]
    public void Policy_uses_no_network_no_files_and_no_clock() =>
        AssertNothingMatches("src/Gateway.Policy", @"System\.Net|HttpClient|File\.|FileStream|Directory\.|DateTime(Offset)?\.(Utc)?Now");

    [Fact]
    public void Storage_uses_no_http() =>
        AssertNothingMatches("src/Gateway.Storage", @"System\.Net\.Http|HttpClient");

    /// <summary>They answer "no" also when the disk could not be asked; <see cref="Gateway.Storage.Disk"/> tells the two apart.</summary>
    [Fact]
    public void Storage_asks_Disk_whether_something_exists() =>
        AssertNothingMatches("src/Gateway.Storage", @"\b(File|Directory|Path)\.Exists\b|\{ Exists:|GetLastWriteTime|new FileInfo\(");

    [Theory]
    [InlineData(@"\bFASTER\b|\bFaster[A-Z]\w+", "Gateway.Storage")]
    [InlineData(@"Yarp\.", "Gateway.Upstream", "Gateway/Web")]
    [InlineData(@"YamlDotNet", "Gateway/Configuration")]
    [InlineData(@"using OpenTelemetry", "Gateway/Operations")]
    [InlineData(@"using Microsoft\.IdentityModel", "Gateway/Access")]
    [InlineData(@"BCrypt\.Net", "Gateway/Access")]
    [InlineData(@"using ZstdSharp", "Gateway/Repositories")]
    [InlineData(@"HttpContext", "Gateway/Registry", "Gateway/Web", "Gateway/Operations", "Gateway/RunningGateway.cs")]
    public void A_library_is_named_in_one_place(string pattern, params string[] places)
    {
        var elsewhere = Files("src")
            .Where(f => Regex.IsMatch(CodeOf(f), pattern))
            .Select(f => Path.GetRelativePath(Path.Combine(Root, "src"), f))
            .Where(f => !places.Any(place => f.StartsWith(place, StringComparison.Ordinal)));
        Assert.Empty(elsewhere);
    }

    [Fact]
    public void Handlers_name_no_backing() =>
        AssertNothingMatches(
            "src/Gateway/Registry", @"\bIBacking\b|\bStoredRepository\b|\bPullThroughRepository\b|\bFrontedRepository\b|\bVolume\b");

    private static void AssertNothingMatches(string folder, string pattern) =>
        Assert.Empty(Files(folder).SelectMany(f => Regex.Matches(CodeOf(f), pattern).Select(m => $"{Path.GetFileName(f)}: {m.Value}")));

    private static IEnumerable<string> Named(string file) => Room().Matches(CodeOf(file)).Select(m => m.Groups[1].Value).Distinct();

    /// <summary>A source without its comments: a comment may speak of anything.</summary>
    private static string CodeOf(string file) => Comment().Replace(File.ReadAllText(file), "");

    internal static List<string> Files(string folder)
    {
        var files = Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains("/obj/", StringComparison.Ordinal) && !f.Contains("/bin/", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(files);
        return files;
    }

    internal static string Root { get; } = FindRoot();

    private static string FindRoot([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../.."));

    [GeneratedRegex(@"\bGateway\.(Registry|Operations|Repositories|Fronting|PullThrough|Web|Storage|Upstream|Access|Configuration|Transport|Commands|Oci|Policy)\b(?!\.)")]
    private static partial Regex Room();

    [GeneratedRegex(@"//[^\n]*")]
    private static partial Regex Comment();
}
