using System.Buffers;
using Gateway.PullThrough;

namespace Gateway.Replicas;

/// <summary>
/// Reads the rest of a fetch's content from another replica, as it grows there, into this replica's part, which hashes it. It never
/// retries: the caller decides who is asked next, from the watermark on.
/// </summary>
internal sealed class PeerDownload(BlobFetch fetch, Uri peer, ReplicaServices services)
{
    // As a download's from an upstream.
    private const int BufferSize = 256 * 1024;

    /// <summary>
    /// After this time without a byte the replica is asked whether it goes on. Chosen: longer than a pause of a busy machine, shorter than
    /// clients wait.
    /// </summary>
    private static readonly TimeSpan SilentAfter = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Answer = TimeSpan.FromSeconds(2);

    private readonly PartFile _part = fetch.Part;
    private long _heardAt;
    private string _why = "";

    /// <summary>
    /// True when the part is whole; false if the replica did not send the rest. Throws <see cref="FetchException"/> for a fault of this
    /// replica's own disk.
    /// </summary>
    /// <param name="started">Called when the first bytes are about to follow.</param>
    public async Task<bool> TryRunAsync(Action started, CancellationToken cancellationToken)
    {
        Log.Following(services.Logger, fetch.Digest, peer, _part.Position);
        using var given = new CancellationTokenSource();
        using var both = CancellationTokenSource.CreateLinkedTokenSource(given.Token, cancellationToken);
        Volatile.Write(ref _heardAt, services.Clock.GetTimestamp());
        var watching = WatchAsync(given, both.Token);
        try
        {
            return await ReadAsync(started, both.Token);
        }
        catch (Exception e) when (IsOfPeer(e, cancellationToken))
        {
            if (_why.Length == 0) _why = e.Message;
        }
        finally
        {
            await given.CancelAsync();
            await watching;
        }
        Log.PeerFailed(services.Logger, peer, fetch.Digest, _part.Position, _why);
        return false;
    }

    private async Task<bool> ReadAsync(Action started, CancellationToken cancellationToken)
    {
        using var response = await services.Peers.OpenAsync(peer, fetch.Digest, _part.Position, cancellationToken);
        var length = response.Content.Headers.ContentRange!.Length!.Value;
        if (_part.Length is { } known && known != length) throw new IOException($"expected {known} bytes, got a length of {length}");
        _part.Length = length;
        fetch.Peer = peer;
        started();
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        // Two in turn: one is written and hashed while the other is filled.
        var (buffer, other) = (ArrayPool<byte>.Shared.Rent(BufferSize), ArrayPool<byte>.Shared.Rent(BufferSize));
        var hashing = Task.CompletedTask;
        try
        {
            for (var at = _part.Position; at < length;)
            {
                var read = await body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(BufferSize, length - at)), cancellationToken);
                if (read == 0) throw new IOException($"expected {length} bytes, got {at}");
                Volatile.Write(ref _heardAt, services.Clock.GetTimestamp());
                ReplicaMetrics.Received(read);
                fetch.ReceivedFrom(peer);
                await hashing;
                var (offset, bytes) = (at, buffer.AsMemory(0, read));
                _part.Write(offset, bytes);
                hashing = Task.Run(() => _part.HashAsync(offset, bytes, CancellationToken.None).AsTask(), CancellationToken.None);
                at += read;
                (buffer, other) = (other, buffer);
            }
            return true;
        }
        finally
        {
            await hashing;
            ArrayPool<byte>.Shared.Return(buffer);
            ArrayPool<byte>.Shared.Return(other);
        }
    }

    /// <summary>
    /// Gives up a replica that is silent, unless it says that it has no more bytes yet: its upstream may be slow, which it handles itself.
    /// </summary>
    private async Task WatchAsync(CancellationTokenSource given, CancellationToken end)
    {
        try
        {
            while (true)
            {
                await Task.Delay(SilentAfter / 4, services.Clock, end);
                if (services.Clock.GetElapsedTime(Volatile.Read(ref _heardAt)) < SilentAfter) continue;
                var heard = Volatile.Read(ref _heardAt);
                var (offer, answered, _) = await services.Peers.AskAsync(peer, fetch.Digest, Answer, end);
                if (Volatile.Read(ref _heardAt) != heard) continue;
                if (offer is { IsWhole: false } going && going.Position <= _part.Position)
                {
                    Volatile.Write(ref _heardAt, services.Clock.GetTimestamp());
                    continue;
                }
                _why = !answered ? $"no byte and no answer for {SilentAfter.TotalSeconds:0} s"
                    : offer is null ? "it no longer fetches"
                    : $"no byte for {SilentAfter.TotalSeconds:0} s, although it has them";
                await given.CancelAsync();
                return;
            }
        }
        catch (OperationCanceledException)
        {
            // The download has ended.
        }
    }

    private static bool IsOfPeer(Exception e, CancellationToken cancellationToken) =>
        !cancellationToken.IsCancellationRequested && e is not FetchException
        && e is IOException or HttpRequestException or OperationCanceledException;
}
