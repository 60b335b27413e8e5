using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class OpenFilesTests : IDisposable
{
    private static readonly Digest Content = Digest.Of("content"u8);
    private readonly Root _root = new(Directory.CreateTempSubdirectory("gateway-open-").FullName, Lifetime.Cached);
    private readonly OpenFiles _files = new();

    public OpenFilesTests() => Put(Content);

    public void Dispose()
    {
        _files.Dispose();
        Directory.Delete(Path.GetDirectoryName(_root.Blobs)!, recursive: true);
    }

    private void Put(Digest digest)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_root.Data(digest))!);
        File.WriteAllText(_root.Data(digest), "content");
    }

    private bool TryRemove(bool evenIfRead = false) =>
        _files.TryRemove(Lifetime.Cached, Content, evenIfRead, () => File.Delete(_root.Data(Content)));

    [Fact]
    public void Content_being_read_is_removed_only_by_force_and_stays_readable()
    {
        var reader = _files.Open(_root, Content)!;
        Assert.False(TryRemove());
        Assert.True(File.Exists(_root.Data(Content)));
        Assert.True(TryRemove(evenIfRead: true));
        Assert.Null(_files.Open(_root, Content));
        Assert.Equal(7, RandomAccess.Read(reader.Handle, new byte[10], 0));
        reader.Release();
        Assert.True(reader.Handle.IsClosed);
    }

    [Fact]
    public void Content_without_readers_can_be_removed()
    {
        _files.Open(_root, Content)!.Release();
        Assert.True(TryRemove());
        Assert.Null(_files.Open(_root, Content));
    }

    [Fact]
    public void Content_being_read_stays_known_when_the_handle_cache_is_full()
    {
        var reader = _files.Open(_root, Content)!;
        for (var i = 0; i < 600; i++)
        {
            var other = Digest.Of(BitConverter.GetBytes(i));
            Put(other);
            _files.Open(_root, other)!.Release();
        }
        Assert.False(TryRemove());
        reader.Release();
    }

    [Fact]
    public async Task Handle_opened_during_the_removal_of_its_file_is_not_cached()
    {
        using var stop = new CancellationTokenSource();
        var readers = Enumerable.Range(0, 3).Select(_ => Task.Run(() =>
        {
            while (!stop.IsCancellationRequested) _files.Open(_root, Content)?.Release();
        })).ToArray();
        for (var i = 0; i < 5_000; i++)
        {
            while (!TryRemove()) Thread.Yield();
            var found = _files.Open(_root, Content);
            Assert.Null(found);
            File.WriteAllText(_root.Data(Content), "content");
        }
        await stop.CancelAsync();
        await Task.WhenAll(readers);
    }
}
