using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.House;

/// <summary>That one place flushes: the runtime's own flushes return normally when the system call fails.</summary>
public sealed partial class FlushTests
{
    private const string OnlyPlace = "src/Gateway.Storage/Disk/Durability.cs";

    [Fact]
    public void Only_one_place_flushes()
    {
        var flushing =
            from file in DependencyTests.Files("src")
            let path = Path.GetRelativePath(DependencyTests.Root, file)
            where path != OnlyPlace
            from line in File.ReadLines(file)
            where Flush().IsMatch(line)
            select $"{path}: {line.Trim()}; expected {OnlyPlace} to flush, which checks what came of it";
        Assert.Empty(flushing);
    }

    [Theory]
    [InlineData("RandomAccess.FlushToDisk(file);")]
    [InlineData("stream.Flush(true);")]
    [InlineData("stream.Flush(flushToDisk: true);")]
    [InlineData("options: FileOptions.WriteThrough")]
    [InlineData("[LibraryImport(\"libc\", EntryPoint = \"fsync\")]")]
    public void Every_way_to_flush_is_known(string line) => Assert.Matches(Flush(), line);

    [GeneratedRegex(@"FlushToDisk\(|Flush\((flushToDisk: *)?true\)|WriteThrough|EntryPoint = ""(fsync|fdatasync|syncfs|sync|msync)""")]
    private static partial Regex Flush();
}
