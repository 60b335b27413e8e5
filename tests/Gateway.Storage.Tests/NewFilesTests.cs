using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Files that are written together with their folder, and get their name when they are whole.</summary>
public sealed class NewFilesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-new-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void New_file_is_whole_and_has_its_time_and_one_name()
    {
        var at = new DateTimeOffset(2026, 11, 30, 12, 0, 0, TimeSpan.Zero).AddTicks(1_234_567);
        Assert.True(SmallFiles.TryWriteNew($"{_folder}/tags/1/current/link", "text"u8, at));
        Assert.Equal("text", File.ReadAllText($"{_folder}/tags/1/current/link"));
        var facts = Disk.Find($"{_folder}/tags/1/current/link")!.Value;
        Assert.Equal((1u, at), (facts.Names, facts.Written));
        Assert.Equal(["link"], Directory.GetFiles($"{_folder}/tags/1/current").Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("")]
    [InlineData("there")]
    public void File_whose_folder_exists_is_left_as_it_is(string there)
    {
        var file = $"{_folder}/a/link";
        Directory.CreateDirectory($"{_folder}/a");
        if (there.Length > 0) File.WriteAllText(file, there);
        Assert.False(SmallFiles.TryWriteNew(file, "new"u8));
        Assert.Equal(there.Length > 0, File.Exists(file));
        Assert.False(there.Length > 0 && Posix.TryWriteNew($"{_folder}/a", file, "new"u8, null));
        if (there.Length > 0) Assert.Equal(there, File.ReadAllText(file));
        Assert.Equal(there.Length > 0 ? 1 : 0, Directory.GetFiles($"{_folder}/a").Length);
    }

    [Fact]
    public void File_below_a_file_is_not_written()
    {
        File.WriteAllText($"{_folder}/a", "");
        Assert.False(SmallFiles.TryWriteNew($"{_folder}/a/b/link", "new"u8));
    }

    [Fact]
    public void Append_adds_to_a_file_and_follows_no_symbolic_link()
    {
        Assert.True(Posix.TryAppend($"{_folder}/seen", "one"u8));
        Assert.True(Posix.TryAppend($"{_folder}/seen", "two"u8));
        File.CreateSymbolicLink($"{_folder}/link", $"{_folder}/seen");
        Assert.False(Posix.TryAppend($"{_folder}/link", "three"u8));
        Assert.False(Posix.TryAppend($"{_folder}/absent/seen", "four"u8));
        Assert.Equal("onetwo", File.ReadAllText($"{_folder}/seen"));
    }
}
