using Xunit;

namespace Gateway.Storage.Tests;

public sealed class BackwardLinesTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2000)]
    [InlineData(50_000)]
    public void Lines_are_read_from_the_end(int count)
    {
        string[] lines = [.. Enumerable.Range(0, count).Select(static i => $"line {i} {new string('x', i % 97)}")];
        File.WriteAllLines(_file, lines);

        Assert.Equal(lines.Reverse(), BackwardLines.Of(_file));
    }

    [Fact]
    public void Line_longer_than_a_block_is_skipped_in_parts()
    {
        File.WriteAllLines(_file, ["first", new string('x', 200_000), "last"]);

        var lines = BackwardLines.Of(_file).ToArray();

        Assert.Equal("last", lines[0]);
        Assert.Equal("first", lines[^1]);
        Assert.All(lines[1..^1], static line => Assert.DoesNotContain("first", line, StringComparison.Ordinal));
    }

    [Fact]
    public void Missing_file_has_no_lines() => Assert.Empty(BackwardLines.Of(_file + ".missing"));
}
