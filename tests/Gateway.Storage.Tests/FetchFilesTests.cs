using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Purges of content while it is written.</summary>
public sealed class FetchFilesTests : IAsyncLifetime
{
    private static readonly Digest Content = Digest.Of("content"u8);

    private VolumeRig _rig = null!;

    private FetchFiles Files => _rig.Volume.Fetches;

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private FetchFile Open(bool isCopy)
    {
        var file = isCopy ? Files.OpenBeside(Content, 7) : Files.Open(Content, 7);
        Assert.NotNull(file);
        return file;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task File_that_is_purged_while_it_is_written_is_not_resumed(bool isCopy)
    {
        await using (var file = Open(isCopy))
        {
            file.Write(0, "cont"u8);
            Files.Remove(Content);
        }

        Assert.Equal(0, Files.LengthOf(Content));
        await using var next = Open(isCopy);
        Assert.Equal(0, next.EarlierLength);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task File_that_is_purged_and_still_read_is_not_resumed_and_its_end_leaves_the_next_one(bool isCopy)
    {
        var file = Open(isCopy);
        file.Write(0, "cont"u8);
        Files.Remove(Content);

        await using (var next = Open(isCopy))
        {
            Assert.Equal(0, next.EarlierLength);
            next.Write(0, "con"u8);
            await file.DisposeAsync();
        }

        Assert.Equal(3, Files.LengthOf(Content));
    }
}
