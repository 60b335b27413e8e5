using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>What a connection receives, read in steps of every kind: each byte once, in order, and no wait without an end.</summary>
public sealed class SocketInputTests : IAsyncLifetime
{
    private Socket _client = null!;
    private Socket _accepted = null!;

    public async ValueTask InitializeAsync()
    {
        using var listening = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Listen();
        _client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await _client.ConnectAsync(listening.LocalEndPoint!);
        _accepted = await listening.AcceptAsync();
    }

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        _accepted.Dispose();
        return default;
    }

    [Fact]
    public async Task Bytes_are_read_after_the_wait_for_them_was_canceled_as_they_came()
    {
        _accepted.Blocking = false;
        var input = new SocketInput(_accepted, new ReceiveBlocks().Create(), static () => { });
        using var cancel = new CancellationTokenSource();
        var wait = input.ReadAsync(cancel.Token).AsTask();
        // Callbacks run last to first: the event wakes the wait once it is canceled, and before the cancellation wakes it.
        using var coming = cancel.Token.UnsafeRegister(_ =>
        {
            _client.Send("bytes"u8);
            _accepted.Poll(Patience.Of(10), SelectMode.SelectRead);
            input.Readable.Signal(onPool: false);
        }, null);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);

        var read = await input.ReadAsync(TestContext.Current.CancellationToken).AsTask().InTimeAsync("the bytes are read", 10);

        Assert.Equal("bytes".Length, read.Buffer.Length);
        input.Complete();
    }

    [Fact]
    public async Task Bytes_in_pieces_of_any_size_are_read_once_and_in_order_however_much_each_read_consumes()
    {
        const int Length = 3_000_000;
        var (sent, random) = (new byte[Length], new Random(1));
        random.NextBytes(sent);
        await using var connection = new SocketConnection(_accepted, new ReceiveBlocks().Create());
        var sending = Task.Run(() => SendInPieces(sent, new(2)), TestContext.Current.CancellationToken);
        var (input, at) = (connection.Transport.Input, 0);
        while (true)
        {
            if (random.Next(50) == 0) input.CancelPendingRead();
            var read = await input.ReadAsync(TestContext.Current.CancellationToken).AsTask().InTimeAsync("bytes or the end are read");
            var buffer = read.Buffer;
            var place = at;
            foreach (var part in buffer)
            {
                Assert.True(part.Span.SequenceEqual(sent.AsSpan(place, part.Length)), $"wrong bytes at {place}");
                place += part.Length;
            }
            if (read.IsCompleted && buffer.IsEmpty) break;
            var consumed = random.Next(3) == 0 ? 0 : random.NextInt64(buffer.Length + 1);
            var examined = random.Next(3) == 0 ? consumed + random.NextInt64(buffer.Length - consumed + 1) : buffer.Length;
            if (read.IsCompleted) consumed = examined = buffer.Length;
            input.AdvanceTo(buffer.GetPosition(consumed), buffer.GetPosition(examined));
            at += (int)consumed;
        }
        await sending.InTimeAsync("all bytes are sent");

        Assert.Equal(Length, at);
    }

    [Fact]
    public async Task Connection_that_is_closed_with_unread_bytes_is_not_reset()
    {
        var connection = new SocketConnection(_accepted, new ReceiveBlocks().Create());
        _client.Send(new byte[60_000]);
        Assert.True(_accepted.Poll(Patience.Of(10), SelectMode.SelectRead));
        await connection.DisposeAsync();

        Assert.Equal(0, await _client.ReceiveAsync(new byte[1], TestContext.Current.CancellationToken));
        Assert.Equal(0, (int)_client.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)!);
    }

    [Fact]
    public async Task Failure_of_one_who_is_told_of_the_end_affects_nobody_else()
    {
        await using var connection = new SocketConnection(_accepted, new ReceiveBlocks().Create());
        var told = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var first = connection.ConnectionClosed.Register(told.SetResult);
        using var failing = connection.ConnectionClosed.Register(static () => throw new InvalidOperationException("a failure of the test"));

        _client.Close(0);

        await told.Task.InTimeAsync("the end is told");
    }

    private void SendInPieces(ReadOnlySpan<byte> bytes, Random random)
    {
        while (!bytes.IsEmpty)
        {
            var most = random.Next(4) switch { 0 => 3, 1 => 2_000, 2 => 70_000, _ => 400_000 };
            var count = Math.Min(bytes.Length, random.Next(1, most));
            for (var rest = bytes[..count]; !rest.IsEmpty;) rest = rest[_client.Send(rest)..];
            bytes = bytes[count..];
            if (random.Next(3) == 0) Thread.Yield();
        }
        _client.Shutdown(SocketShutdown.Send);
    }
}
