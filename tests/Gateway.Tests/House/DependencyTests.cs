using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.House;

/// <summary>The lines of ARCHITECTURE.md's ownership table that a machine can hold: which room may know which.</summary>
public sealed partial class DependencyTests
{
    /// <summary>Every room of the server, each with the rooms below it that it may name.</summary>
    public static TheoryData<string, string[]> Rooms => new()
    {
        { "Registry", ["Operations", "Repositories", "Storage", "Access", "Configuration", "Transport", "Oci", "Policy"] },
        {
            "Operations",
            ["Repositories", "Fronting", "PullThrough", "Storage", "Upstream", "Access", "Configuration", "Transport", "Oci", "Policy"]
        },
        { "Repositories", ["Storage", "Access", "Configuration", "Oci", "Policy"] },
        { "Fronting", ["PullThrough", "Storage", "Upstream", "Configuration", "Oci"] },
        { "PullThrough", ["Storage", "Upstream", "Configuration", "Transport", "Oci", "Policy"] },
        { "Storage", ["Transport", "Oci"] },
        { "Upstream", ["Configuration", "Oci", "Policy"] },
        { "Access", ["Configuration", "Oci", "Policy"] },
        { "Configuration", ["Oci", "Policy"] },
        { "Transport", [] },
    };

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_room_names_only_rooms_below_it(string room, string[] below) =>
        Assert.Empty(
            Files($"src/Gateway/{room}")
                .SelectMany(f => Named(f).Where(n => n != room && !below.Contains(n)).Select(n => $"{Path.GetFileName(f)} names {n}")));

    [Fact]
    public void Policy_knows_no_server_no_network_no_files_and_no_clock() =>
        AssertNothingMatches("src/Gateway.Policy", @"AspNetCore|System\.Net|HttpClient|File\.|FileStream|Directory\.|DateTime(Offset)?\.(Utc)?Now|Gateway\.(Storage|Registry|Upstream|Repositories|PullThrough|Configuration)\b");

    [Fact]
    public void Storage_knows_no_http() =>
        AssertNothingMatches("src/Gateway/Storage", @"HttpContext|System\.Net\.Http|AspNetCore|Gateway\.Policy");

    /// <summary>They answer "no" also when the disk could not be asked; <see cref="Gateway.Storage.Disk"/> tells the two apart.</summary>
    [Fact]
    public void Storage_asks_Disk_whether_something_exists() =>
        AssertNothingMatches("src/Gateway/Storage", @"\b(File|Directory|Path)\.Exists\b|\{ Exists:|GetLastWriteTime|new FileInfo\(");

    [Theory]
    [InlineData(@"\bFASTER\b|\bFaster[A-Z]\w+", "Storage")]
    [InlineData(@"Yarp\.", "Upstream")]
    [InlineData(@"YamlDotNet", "Configuration")]
    [InlineData(@"using OpenTelemetry", "Operations")]
    [InlineData(@"using Microsoft\.IdentityModel", "Access")]
    [InlineData(@"using ZstdSharp", "Repositories")]
    [InlineData(@"HttpContext", "Registry", "Operations", "Gateway.cs")]
    public void A_library_is_named_in_one_place(string pattern, params string[] places)
    {
        var elsewhere = Files("src/Gateway")
            .Where(f => Regex.IsMatch(CodeOf(f), pattern))
            .Select(f => Path.GetRelativePath(Path.Combine(Root, "src/Gateway"), f))
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

    [GeneratedRegex(@"\bGateway\.(Registry|Operations|Repositories|Fronting|PullThrough|Storage|Upstream|Access|Configuration|Transport|Commands|Oci|Policy)\b(?!\.)")]
    private static partial Regex Room();

    [GeneratedRegex(@"//[^\n]*")]
    private static partial Regex Comment();
}
