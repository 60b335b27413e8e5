using System.Net;
using System.Net.Sockets;
using Gateway.Oci;
using Gateway.Registry;
using Gateway.Transport;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Gateway.Tests.Registry.Hostile;

/// <summary>Memory for documents is taken as they arrive, and all that arrive together take no more than a part of it.</summary>
public sealed class DocumentBudgetTests
{
    private const int Announced = 4 << 20;

    [Fact]
    public void Announced_length_takes_no_memory_before_its_bytes_arrive()
    {
        var budget = new DocumentBudget(64 << 20, 64 << 20);
        using var receipt = budget.Receive("ci");
        var request = new DefaultHttpContext().Request;
        (request.Body, request.ContentLength) = (new Silent(), Announced);
        var before = GC.GetAllocatedBytesForCurrentThread();

        var reading = RequestBody.ReadAsync(request, Announced, receipt, CancellationToken.None).AsTask();

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 * 1024);
        Assert.InRange(budget.Held, 1, 64 * 1024);
        Assert.False(reading.IsCompleted);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(4096, true)]
    [InlineData(4097, true)]
    [InlineData(100_000, true)]
    [InlineData(0, false)]
    [InlineData(4096, false)]
    [InlineData(100_000, false)]
    public async Task Body_is_read_whole_with_and_without_a_length_and_gives_its_memory_back(int length, bool isStated)
    {
        var budget = new DocumentBudget(64 << 20, 64 << 20);
        var sent = Enumerable.Range(0, length).Select(static i => (byte)i).ToArray();
        var request = new DefaultHttpContext().Request;
        (request.Body, request.ContentLength) = (new MemoryStream(sent), isStated ? length : null);
        using (var receipt = budget.Receive("ci"))
        {
            Assert.Equal(sent, await RequestBody.ReadAsync(request, 100_000, receipt, TestContext.Current.CancellationToken));
            Assert.Equal(length, budget.Held);
        }
        Assert.Equal(0, budget.Held);
    }

    [Fact]
    public async Task Body_beyond_the_limit_is_refused_with_and_without_a_length()
    {
        var request = new DefaultHttpContext().Request;
        foreach (var length in new long?[] { null, 101 })
        {
            (request.Body, request.ContentLength) = (new MemoryStream(new byte[101]), length);
            using var receipt = new DocumentBudget(1000, 1000).Receive("ci");
            Assert.Null(await RequestBody.ReadAsync(request, 100, receipt, TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public void Each_sender_gets_a_share_and_one_large_document_alone_gets_more()
    {
        var budget = new DocumentBudget(bytes: 100, share: 25);
        using var first = budget.Receive("a");
        first.Take(20);
        using (var second = budget.Receive("a")) Assert.Throws<DocumentBudgetException>(() => second.Take(6));
        first.Take(50);
        using var other = budget.Receive("b");
        other.Take(25);
        using (var third = budget.Receive("c")) Assert.Throws<DocumentBudgetException>(() => third.Take(6));
        first.Dispose();
        using (var again = budget.Receive("a")) again.Take(25);
        Assert.Equal(25, budget.Held);
    }

    [Fact]
    public async Task Sender_beyond_its_share_gets_503_with_Retry_After_and_others_continue()
    {
        await using var rig = await GatewayRig.StartAsync();
        using (var receipt = DocumentBudget.OfProcess.Receive(Hoarder))
        {
            receipt.Take(DocumentBudget.OfProcess.Share);

            using var refused = await PutAsync(rig, Hoarder);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Equal("UNAVAILABLE", await GatewayRig.ErrorCodeAsync(refused));
            Assert.NotNull(GatewayRig.Header(refused, "Retry-After"));
            // Received, and refused for what it names.
            using var taken = await PutAsync(rig, "127.0.0.78");
            Assert.Equal((HttpStatusCode.NotFound, "MANIFEST_BLOB_UNKNOWN"), (taken.StatusCode, await GatewayRig.ErrorCodeAsync(taken)));
        }
        using var later = await PutAsync(rig, Hoarder);
        Assert.Equal(HttpStatusCode.NotFound, later.StatusCode);
    }

    // An address of the loopback network that no other test comes from.
    private const string Hoarder = "127.0.0.77";

    private static async Task<HttpResponseMessage> PutAsync(GatewayRig rig, string from)
    {
        using var client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                socket.Bind(new IPEndPoint(IPAddress.Parse(from), 0));
                await socket.ConnectAsync(IPAddress.Loopback, rig.Url.Port, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        });
        var content = new ByteArrayContent(GatewayRig.ManifestBytes());
        content.Headers.ContentType = new(MediaTypes.OciManifest);
        return await client.PutAsync(new Uri(rig.Url, "/v2/team/app/manifests/v1"), content);
    }

    /// <summary>Sends nothing, and does not end.</summary>
    private sealed class Silent : MemoryStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return 0;
        }
    }
}
