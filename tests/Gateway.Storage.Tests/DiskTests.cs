using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>A missing path and an unreadable path are told apart.</summary>
public sealed class DiskTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-disk-").FullName;

    /// <summary>A folder that no user can read, not even root: a symbolic link to itself (ELOOP).</summary>
    private string Unreadable => $"{_folder}/loop";

    public DiskTests()
    {
        File.WriteAllText($"{_folder}/file", "four");
        Directory.CreateDirectory($"{_folder}/folder/below");
        File.CreateSymbolicLink(Unreadable, Unreadable);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Existing_file_and_folder_are_found_with_their_facts()
    {
        var written = new DateTime(2020, 1, 2, 3, 4, 5, 678, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc($"{_folder}/file", written);

        Assert.Equal(new FileFacts(IsFolder: false, Length: 4, Names: 1, written), Disk.Find($"{_folder}/file"));
        Assert.True(Disk.HasFolder($"{_folder}/folder"));
        Assert.False(Disk.HasFile($"{_folder}/folder"));
        Assert.False(Disk.HasFolder($"{_folder}/file"));
        Assert.Equal("four", Disk.Text($"{_folder}/file"));
    }

    [Fact]
    public void Open_file_has_zero_names_after_its_last_name_is_removed()
    {
        using var file = Disk.Open($"{_folder}/file")!;
        Assert.Equal((4, 1u), (Disk.Find(file).Length, Disk.Find(file).Names));
        File.Delete($"{_folder}/file");
        Assert.Equal((4, 0u), (Disk.Find(file).Length, Disk.Find(file).Names));
    }

    [Theory]
    [InlineData("missing")]
    [InlineData("missing/below")]
    [InlineData("file/below a file")]
    public void Missing_path_is_absent(string name)
    {
        var path = $"{_folder}/{name}";
        Assert.Null(Disk.Find(path));
        Assert.Null(Disk.LengthOf(path));
        Assert.Null(Disk.Open(path));
        Assert.Null(Disk.Text(path));
        Assert.Empty(Disk.FilesIn(path));
        Assert.Empty(Disk.FoldersIn(path));
        Assert.Empty(Disk.FilesBelow(path, "link"));
    }

    [Theory]
    [InlineData("loop")]
    [InlineData("loop/below")]
    public void Unreadable_path_throws_and_is_never_absent(string name)
    {
        var path = $"{_folder}/{name}";
        Assert.False(File.Exists($"{path}/x"));
        foreach (var look in (Action[])
        [
            () => Disk.Find(path), () => Disk.LengthOf(path), () => Disk.HasFile(path), () => Disk.HasFolder(path), () => Disk.Open(path),
            () => Disk.Text(path), () => _ = Disk.FilesIn(path).Count(), () => _ = Disk.FoldersIn(path).Count(),
            () => _ = Disk.FilesBelow(path, "link").Count(),
        ])
        {
            Assert.Contains(path, Assert.Throws<UnreadableException>(look).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Folder_removed_during_its_listing_ends_the_list()
    {
        using var listed = Disk.FoldersIn($"{_folder}/folder").GetEnumerator();
        Directory.Delete($"{_folder}/folder", recursive: true);
        Assert.False(listed.MoveNext());
    }
}
