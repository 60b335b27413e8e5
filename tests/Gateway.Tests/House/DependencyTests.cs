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
            ["Web", "WebConsole", "Operations", "Repositories", "Storage", "Access", "Configuration", "Transport", "Oci", "Policy"]
        },
        { "Web", ["Operations", "Upstream", "Access", "Configuration"] },
        { "WebConsole", ["Operations", "Repositories", "Storage", "Access", "Configuration", "Oci"] },
        {
            "Operations",
            ["Repositories", "Fronting", "Replicas", "PullThrough", "Storage", "Upstream",
                "Access", "Configuration", "Transport", "Oci", "Policy"]
        },
        { "Repositories", ["Storage", "Access", "Configuration", "Oci", "Policy"] },
        { "Fronting", ["PullThrough", "Storage", "Upstream", "Configuration", "Oci"] },
        { "Replicas", ["PullThrough", "Storage", "Upstream", "Configuration", "Transport", "Oci"] },
        { "PullThrough", ["Storage", "Upstream", "Configuration", "Transport", "Oci", "Policy"] },
        { "Access", ["Configuration", "Oci", "Policy"] },
        { "Configuration", ["Storage", "Upstream", "Oci", "Policy"] },
        { "Transport", ["Storage"] },
    };

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_room_names_only_rooms_below_it(string room, string[] below) =>
        Assert.Empty(
            Files($"src/Gateway/{room}")
                .SelectMany(f => NamedIn(CodeOf(f)).Where(n => n != room && !below.Contains(n))
                    .Select(n => $"{Path.GetFileName(f)} names {n}")));

    [Theory]
    [InlineData("using Gateway.Storage;", "Storage")]
    [InlineData("using Kept = Gateway.Storage.Volume;", "Storage")]
    [InlineData("using static Gateway.Storage.Volume;", "Storage")]
    [InlineData("x = Gateway.Storage.Volume.ReadBackLimits;", "Storage")]
    [InlineData("x = global::Gateway.Storage.Volume.ReadBackLimits;", "Storage")]
    [InlineData("x = Storage.OpenFiles.MostKept;", "Storage")]
    [InlineData("x = (Upstream.Credential?)y;", "Upstream")]
    [InlineData("x = options.Storage.Path;")]
    [InlineData("Storage = new() { Path = path },")]
    [InlineData("x = Policy?.Parser;")]
    public void A_room_is_found_however_it_is_named(string code, params string[] rooms) => Assert.Equal(rooms, NamedIn(code));

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
    public void Storage_uses_http_only_for_a_bucket() =>
        AssertNothingMatches("src/Gateway.Storage", @"System\.Net\.Http|HttpClient", except: "/Buckets/S3/");

    /// <summary>They answer "no" also when the disk could not be asked; <see cref="Gateway.Storage.Disk"/> tells the two apart.</summary>
    [Fact]
    public void Storage_asks_Disk_whether_something_exists() =>
        AssertNothingMatches("src/Gateway.Storage", @"\b(File|Directory|Path)\.Exists\b|\{ Exists:|GetLastWriteTime|new FileInfo\(");

    [Theory]
    [InlineData(@"\bFASTER\b|\bFaster[A-Z]\w+", "Gateway.Storage")]
    [InlineData(@"Yarp\.", "Gateway.Upstream", "Gateway/Web")]
    [InlineData(@"StackExchange\.", "Gateway/Replicas/RedisLink.cs")]
    [InlineData(@"\bAmazon\.", "Gateway.Storage/Buckets/S3/")]
    [InlineData(@"YamlDotNet", "Gateway/Configuration")]
    [InlineData(@"using OpenTelemetry", "Gateway/Operations")]
    [InlineData(@"using Microsoft\.IdentityModel", "Gateway/Access")]
    [InlineData(@"BCrypt\.Net", "Gateway/Access")]
    [InlineData(@"using Spectre\.", "Gateway/Commands/Jobs")]
    [InlineData(@"using ZstdSharp", "Gateway/Repositories")]
    [InlineData(@"HttpContext", "Gateway/Registry", "Gateway/Web", "Gateway/Operations", "Gateway/Replicas", "Gateway/RunningGateway.cs")]
    [InlineData(@"using Microsoft\.AspNetCore\.Components", "Gateway/WebConsole")]
    public void A_library_is_named_in_one_place(string pattern, params string[] places)
    {
        var elsewhere = Files("src")
            .Where(f => Regex.IsMatch(CodeOf(f), pattern))
            .Select(f => Path.GetRelativePath(Path.Combine(Root, "src"), f))
            .Where(f => !places.Any(place => f.StartsWith(place, StringComparison.Ordinal)));
        Assert.Empty(elsewhere);
    }

    /// <summary>
    /// What takes a volume whole can reach everything in it. Storage opens it, and the composition root and the commands that work on a
    /// store without a gateway give its parts to those that use them.
    /// </summary>
    [Fact]
    public void Only_the_composition_root_takes_a_volume()
    {
        string[] places = ["Gateway.Storage/StorageServices.cs", "Gateway/RunningGateway.cs", "Gateway/Commands/"];
        var taking = Files("src").Where(f => Regex.IsMatch(CodeOf(f), @"\bVolume\??\s+\w+\s*[,)=;]|GetRequiredService<Volume>"))
            .Select(f => Path.GetRelativePath(Path.Combine(Root, "src"), f));
        Assert.DoesNotContain(taking, f => !places.Any(place => f.StartsWith(place, StringComparison.Ordinal)));
    }

    [Fact]
    public void Handlers_name_no_backing() =>
        AssertNothingMatches(
            "src/Gateway/Registry", @"\bIBacking\b|\bStoredRepository\b|\bPullThroughRepository\b|\bFrontedRepository\b|\bVolume\b");

    private static void AssertNothingMatches(string folder, string pattern, string except = "/none/") =>
        Assert.Empty(Files(folder).Where(f => !f.Contains(except, StringComparison.Ordinal))
            .SelectMany(f => Regex.Matches(CodeOf(f), pattern).Select(m => $"{Path.GetFileName(f)}: {m.Value}")));

    /// <summary>
    /// The rooms that a source names, whatever it uses of them: a namespace, or a type behind a part of its qualified name. A property that
    /// is called like a room is none.
    /// </summary>
    internal static IEnumerable<string> NamedIn(string code) => Room().Matches(code)
        .Where(m => m.Groups["full"].Success || Types.Value[m.Groups["room"].Value].Contains(m.Groups["type"].Value))
        .Select(m => m.Groups["room"].Value).Distinct();

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

    /// <summary>The types of each room and project. House rule: a file is called like its type.</summary>
    private static readonly Lazy<ILookup<string, string>> Types = new(() => Files("src")
        .Select(f => Path.GetRelativePath(Path.Combine(Root, "src"), f).Replace("Gateway.", "", StringComparison.Ordinal).Split('/'))
        .ToLookup(path => path[0] == "Gateway" ? path[1] : path[0], path => path[^1].Split('.')[0]));

    private const string AllRooms =
        "Registry|Operations|Repositories|Fronting|Replicas|PullThrough|Web|WebConsole|Storage|Upstream|Access|Configuration|Transport|"
        + "Commands|Oci|Policy";

    [GeneratedRegex(@"(?<![.\w])(?:global::)?(?<full>Gateway\.)?(?<room>" + AllRooms + @")\b(?:\.(?<type>\w+))?")]
    private static partial Regex Room();

    [GeneratedRegex(@"//[^\n]*")]
    private static partial Regex Comment();
}
