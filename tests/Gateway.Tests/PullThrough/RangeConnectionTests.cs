using Gateway.Oci;
using Gateway.PullThrough;
using Microsoft.Extensions.Logging.Abstractions;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>One connection that reads one range, without a fetch around it.</summary>
public sealed class RangeConnectionTests
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(100_000, seed: 72);

    [Fact]
    public async Task Connection_reads_exactly_the_range()
    {
        await using var rig = await Rig.StartAsync();
        await using var range = await OpenAsync(rig, 1000, 2999);
        Assert.Equal((1000, 3000), (range!.First, range.End));
        Assert.Equal(Layer[1000..3000], await ReadAsync(range));
    }

    [Theory]
    [InlineData(404)]
    [InlineData(416)]
    [InlineData(429)]
    [InlineData(503)]
    public async Task Refused_range_returns_null_after_one_request(int status)
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(r => r.IsGet).Respond(status);
        Assert.Null(await OpenAsync(rig, 1000, 2999));
        Assert.Equal(1, rig.Hub.Count(r => r.IsGet));
    }

    [Fact]
    public async Task Whole_content_instead_of_the_range_returns_null()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(r => r.IsGet).NoRanges();
        Assert.Null(await OpenAsync(rig, 1000, 2999));
    }

    [Fact]
    public async Task Range_of_content_with_another_length_returns_null()
    {
        await using var rig = await Rig.StartAsync();
        Assert.Null(await OpenAsync(rig, 1000, 2999, length: Layer.Length + 1));
    }

    [Fact]
    public async Task Broken_connection_ends_the_read_without_an_error()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(r => r.IsGet).Cut(after: 500);
        await using var range = await OpenAsync(rig, 1000, 2999);
        Assert.Equal(Layer[1000..1500], await ReadAsync(range!));
    }

    private static async Task<RangeConnection?> OpenAsync(Rig rig, long first, long last, long? length = null)
    {
        var digest = Rig.D(rig.Hub.AddBlob(Rig.Name, Layer));
        var source = new UpstreamRepository(rig.Options, rig.Registry, RepositoryName.Parse(Rig.Name), rig.Clock);
        return await RangeConnection.OpenAsync(
            source, new(digest, first, last, length ?? Layer.Length, null, null), rig.Clock, NullLogger.Instance, default);
    }

    private static async Task<byte[]> ReadAsync(RangeConnection range)
    {
        var whole = new MemoryStream();
        var buffer = new byte[64 * 1024];
        while (await range.ReadAsync(buffer) is var read and > 0) whole.Write(buffer, 0, read);
        return whole.ToArray();
    }
}
