using System.IO.Pipelines;
using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

public sealed class PipeBodyWriterTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 1)]
    [InlineData(5, 300_000)]
    [InlineData(299_999, 1)]
    public async Task A_range_of_a_file_arrives_whole(int offset, int count)
    {
        var bytes = await FileOfAsync(300_005);
        using var output = new MemoryStream();
        var pipe = PipeWriter.Create(output);
        var writer = new PipeBodyWriter(pipe);
        using var file = File.OpenHandle(_path);

        await writer.SendFileAsync(file, offset, count, default);
        await writer.WriteAsync("end"u8.ToArray(), default);
        await pipe.CompleteAsync();

        Assert.Equal([.. bytes.AsSpan(offset, count), .. "end"u8], output.ToArray());
        Assert.Equal(count + 3, writer.BytesWritten);
    }

    [Fact]
    public async Task File_shorter_than_its_length_breaks_the_response()
    {
        await FileOfAsync(10);
        var writer = new PipeBodyWriter(PipeWriter.Create(Stream.Null));
        using var file = File.OpenHandle(_path);

        await Assert.ThrowsAsync<EndOfStreamException>(async () => await writer.SendFileAsync(file, 5, 6, default));
    }

    [Fact]
    public async Task A_client_that_has_gone_ends_the_sending()
    {
        await FileOfAsync(10);
        var pipe = new Pipe();
        await pipe.Reader.CompleteAsync();
        var writer = new PipeBodyWriter(pipe.Writer);
        using var file = File.OpenHandle(_path);

        await Assert.ThrowsAsync<OperationCanceledException>(async () => await writer.SendFileAsync(file, 0, 10, default));
    }

    private async Task<byte[]> FileOfAsync(int length)
    {
        var bytes = new byte[length];
        Random.Shared.NextBytes(bytes);
        await File.WriteAllBytesAsync(_path, bytes);
        return bytes;
    }
}
