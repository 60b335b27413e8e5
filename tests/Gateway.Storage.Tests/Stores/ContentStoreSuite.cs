using System.Security.Cryptography;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>The behavior of every store of content. A store is added by a subclass that makes it.</summary>
public abstract class ContentStoreSuite : IAsyncLifetime
{
    // Several pieces of every store: ranges, parts and chunks of the object store are smaller.
    private protected static readonly byte[] Bytes = RandomNumberGenerator.GetBytes(20_000);
    private protected static readonly Digest Content = Digest.Of(Bytes);
    private protected static readonly UploadNote Note = new("team/app", "ci", "sha256", DateTimeOffset.UnixEpoch);

    private IContentStore _store = null!;

    private protected IContentStore Store => _store;

    /// <summary>Opens the store, also after a stop.</summary>
    private protected abstract ValueTask<IContentStore> OpenStoreAsync();

    /// <summary>Whether the store checks bytes before it returns them.</summary>
    private protected abstract bool IsCheckedBefore { get; }

    /// <summary>Another store, from which content is borrowed.</summary>
    private protected abstract IContentStore Other { get; }

    /// <summary>Replaces stored bytes behind the store's back.</summary>
    private protected abstract ValueTask OverwriteAsync(Digest digest, byte[] bytes);

    public async ValueTask InitializeAsync() => _store = await OpenStoreAsync();

    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Content_that_was_put_is_found_and_read_from_any_offset()
    {
        await PutAsync(Bytes);
        Assert.Equal(Bytes.Length, await _store.FindAsync(Content, -1, default));
        Assert.Equal(Bytes.Length, await _store.FindAsync(Content, Bytes.Length, default));
        await using var content = (await _store.OpenAsync(Content, Content, Bytes.Length, default)).Content!;
        // Bytes of a bucket are checked while they are read.
        Assert.Equal((Bytes.Length, IsCheckedBefore), (content.Length, content.IsVerified));
        Assert.Equal(Bytes, await ReadAsync(content, 0, null));
        Assert.Equal(Bytes[5000..], await ReadAsync(content, 5000, null));
        Assert.Equal(Bytes[4095..8193], await ReadAsync(content, 4095, 8193 - 4095));
        Assert.Empty(await ReadAsync(content, Bytes.Length, null));
        Assert.Equal(Bytes, await _store.ReadAsync(Content, Bytes.Length, default));
        Assert.Null(await _store.ReadAsync(Content, Bytes.Length - 1, default));
    }

    [Fact]
    public async Task Content_that_was_never_put_is_absent()
    {
        Assert.Null(await _store.FindAsync(Content, -1, default));
        Assert.Equal(default, await _store.OpenAsync(Content, Content, -1, default));
        Assert.Null(await _store.ReadAsync(Content, 100, default));
        Assert.Equal(default, await _store.ExamineAsync(Content, default));
        Assert.True(await _store.RemoveAsync(Content, evenIfRead: false, default));
    }

    [Fact]
    public async Task Empty_content_is_content()
    {
        var empty = await PutAsync([]);
        Assert.Equal(0, await _store.FindAsync(empty, -1, default));
        await using var content = (await _store.OpenAsync(empty, empty, 0, default)).Content!;
        Assert.Empty(await ReadAsync(content, 0, null));
    }

    [Fact]
    public async Task Content_of_another_length_than_expected_is_unfit_and_not_found()
    {
        await PutAsync(Bytes);
        Assert.Null(await _store.FindAsync(Content, Bytes.Length + 1, default));
        Assert.Equal(new Opened(null, IsUnfit: true), await _store.OpenAsync(Content, Content, Bytes.Length + 1, default));
        Assert.Equal(new(Bytes.Length, IsDamaged: false), await _store.ExamineAsync(Content, default));
    }

    [Fact]
    public async Task Opened_content_has_the_digest_by_which_it_was_requested()
    {
        var alias = Digest.Of(Bytes, DigestAlgorithm.Sha512);
        await PutAsync(Bytes);
        await using var content = (await _store.OpenAsync(Content, alias, -1, default)).Content!;
        Assert.Equal(alias, content.Digest);
    }

    [Theory]
    [InlineData("Durable")]
    [InlineData("Journaled")]
    [InlineData("Replayed")]
    public async Task Content_that_is_put_twice_is_stored_once(string kind)
    {
        for (var i = 0; i < 2; i++) await _store.PutAsync(Content, Bytes, Enum.Parse<Put>(kind), default);
        Assert.Equal(Bytes, await _store.ReadAsync(Content, Bytes.Length, default));
    }

    [Fact]
    public async Task Damaged_content_is_not_served_until_it_is_put_again()
    {
        await PutAsync(Bytes);
        await OverwriteAsync(Content, [.. Bytes.Reverse()]);
        Assert.Equal(new(null, IsDamaged: true), await _store.ExamineAsync(Content, default));
        Assert.Null(await _store.FindAsync(Content, -1, default));
        Assert.Equal(new Opened(null, IsUnfit: true), await _store.OpenAsync(Content, Content, -1, default));
        Assert.Null(await _store.ReadAsync(Content, Bytes.Length, default));
        await PutAsync(Bytes);
        Assert.Equal(Bytes, await _store.ReadAsync(Content, Bytes.Length, default));
    }

    [Fact]
    public async Task Borrowed_content_stays_when_the_other_store_removes_it()
    {
        await Other.PutAsync(Content, Bytes, Put.Durable, default);
        for (var i = 0; i < 2; i++) await _store.BorrowAsync(Content, Bytes.Length, Other, default);
        Assert.True(await Other.RemoveAsync(Content, evenIfRead: true, default));
        Assert.Equal(Bytes, await _store.ReadAsync(Content, Bytes.Length, default));
    }

    [Fact]
    public async Task Content_that_the_other_store_does_not_have_cannot_be_borrowed() =>
        await Assert.ThrowsAnyAsync<FileNotFoundException>(
            async () => await _store.BorrowAsync(Content, Bytes.Length, Other, default));

    [Fact]
    public async Task Removal_waits_for_no_reader_and_leaves_readers_their_content()
    {
        await PutAsync(Bytes);
        await using (var content = (await _store.OpenAsync(Content, Content, -1, default)).Content!)
        {
            Assert.Equal(Bytes[..100], await ReadAsync(content, 0, 100));
            Assert.False(await _store.RemoveAsync(Content, evenIfRead: false, default));
            Assert.True(await _store.RemoveAsync(Content, evenIfRead: true, default));
            Assert.Null(await _store.FindAsync(Content, -1, default));
            Assert.Equal(default, await _store.OpenAsync(Content, Content, -1, default));
            Assert.Equal(Bytes, await ReadAsync(content, 0, null));
        }
        Assert.Null(await _store.FindAsync(Content, -1, default));
        await PutAsync(Bytes);
        Assert.Equal(Bytes, await _store.ReadAsync(Content, Bytes.Length, default));
    }

    [Fact]
    public async Task Content_that_nobody_reads_any_more_can_be_removed()
    {
        await PutAsync(Bytes);
        await (await _store.OpenAsync(Content, Content, -1, default)).Content!.DisposeAsync();
        Assert.True(await _store.RemoveAsync(Content, evenIfRead: false, default));
        Assert.Null(await _store.FindAsync(Content, -1, default));
    }

    [Fact]
    public async Task Content_that_is_put_while_its_removed_bytes_are_read_stays()
    {
        await PutAsync(Bytes);
        await using (var content = (await _store.OpenAsync(Content, Content, -1, default)).Content!)
        {
            await _store.RemoveAsync(Content, evenIfRead: true, default);
            await PutAsync(Bytes);
        }
        Assert.Equal(Bytes, await _store.ReadAsync(Content, Bytes.Length, default));
    }

    [Fact]
    public async Task Readers_never_see_a_part_of_content_that_is_put_concurrently()
    {
        var writers = Enumerable.Range(0, 4).Select(_ => Task.Run(() => PutAsync(Bytes)));
        var readers = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 20; i++)
            {
                if (await _store.ReadAsync(Content, Bytes.Length, default) is { } read) Assert.Equal(Bytes, read);
                await Task.Yield();
            }
        }));
        await Task.WhenAll([.. writers, .. readers]);
        Assert.Equal(Bytes.Length, await _store.FindAsync(Content, -1, default));
    }

    [Fact]
    public async Task Committed_upload_is_the_content_of_its_digest()
    {
        await using (var upload = await _store.CreateUploadAsync("u1", Note, default))
        {
            for (var at = 0; at < Bytes.Length; at += 1777)
                await upload.AppendAsync(Bytes.AsMemory(at, Math.Min(1777, Bytes.Length - at)), default);
            Assert.Equal(Bytes.Length, upload.Length);
            Assert.Equal(Bytes, await ReadAsync(upload));
            await upload.FlushAsync();
        }
        Assert.Null(await _store.FindAsync(Content, -1, default));
        await _store.CommitUploadAsync("u1", Content, default);
        // A commit that was not answered is made again.
        await _store.CommitUploadAsync("u1", Content, default);
        Assert.Equal(Bytes, await _store.ReadAsync(Content, Bytes.Length, default));
        Assert.Null(await _store.FindUploadAsync("u1", default));
    }

    [Fact]
    public async Task Upload_of_no_bytes_is_empty_content()
    {
        await using (var upload = await _store.CreateUploadAsync("u1", Note, default)) await upload.FlushAsync();
        await _store.CommitUploadAsync("u1", Digest.Of([]), default);
        Assert.Equal(0, await _store.FindAsync(Digest.Of([]), 0, default));
    }

    [Fact]
    public async Task Upload_continues_after_a_stop_where_it_was()
    {
        await using (var upload = await _store.CreateUploadAsync("u1", Note, default))
            await upload.AppendAsync(Bytes.AsMemory(0, 7000), default);
        _store = await OpenStoreAsync();
        Assert.Equal(7000, (await _store.FindUploadAsync("u1", default))!.Value.Length);
        await using (var upload = await _store.OpenUploadAsync("u1", -1, default))
        {
            Assert.Equal(7000, upload!.Length);
            Assert.Equal(Bytes[..7000], await ReadAsync(upload));
            await upload.AppendAsync(Bytes.AsMemory(7000), default);
            await upload.FlushAsync();
        }
        await _store.CommitUploadAsync("u1", Content, default);
        Assert.Equal(Bytes, await _store.ReadAsync(Content, Bytes.Length, default));
    }

    [Fact]
    public async Task Committed_upload_replaces_damaged_content()
    {
        await OverwriteAsync(Content, [.. Bytes.Reverse()]);
        Assert.True((await _store.ExamineAsync(Content, default)).IsDamaged);
        await using (var upload = await _store.CreateUploadAsync("u1", Note, default))
        {
            await upload.AppendAsync(Bytes, default);
            await upload.FlushAsync();
        }
        await _store.CommitUploadAsync("u1", Content, default);
        Assert.Equal(Bytes, await _store.ReadAsync(Content, Bytes.Length, default));
    }

    [Fact]
    public async Task Removed_upload_is_gone()
    {
        await using (var upload = await _store.CreateUploadAsync("u1", Note, default)) await upload.AppendAsync(Bytes, default);
        Assert.True(await _store.RemoveUploadAsync("u1", default));
        Assert.False(await _store.RemoveUploadAsync("u1", default));
        Assert.Null(await _store.FindUploadAsync("u1", default));
        Assert.Null(await _store.OpenUploadAsync("u1", -1, default));
    }

    private async Task<Digest> PutAsync(byte[] bytes)
    {
        await _store.PutAsync(Digest.Of(bytes), bytes, Put.Durable, default);
        return Digest.Of(bytes);
    }

    private static async Task<byte[]> ReadAsync(IContent content, long offset, long? count)
    {
        var writer = new MemoryBodyWriter();
        await content.CopyToAsync(writer, offset, count, default);
        return writer.ToArray();
    }

    private static async Task<byte[]> ReadAsync(IUploadData upload)
    {
        var read = new List<byte>();
        await upload.ReadAsync(0, bytes => read.AddRange(bytes.Span), default);
        return [.. read];
    }
}
