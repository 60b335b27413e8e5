using Gateway.Oci;
using Gateway.PullThrough;
using Gateway.Tests.PullThrough;
using Microsoft.Extensions.Logging.Abstractions;
using Scripted;
using Xunit;

namespace Gateway.Tests.Replicas;

/// <summary>Fetches whose bytes come from a replica that has wrong ones, or whose turn among replicas fails.</summary>
public sealed class MisledFetchTests
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1 << 20, seed: 5);
    private static readonly Uri Peer = new("http://10.0.0.1:5002");

    [Fact]
    public async Task Wrong_bytes_of_a_replica_are_fetched_again_from_the_upstream_and_the_replica_is_avoided()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        var peers = new WrongPeers { Sends = [.. Layer.Select((b, i) => i == 1000 ? (byte)(b ^ 1) : b)] };
        await using var fetches = TableOf(rig, peers);

        Assert.Equal(Layer, await Rig.ReadAsync(rig.Pull(Rig.Name, fetches: fetches), digest));

        Assert.Equal((1, 1), (peers.Begun, rig.Gets(digest)));
        Assert.Equal([Peer], peers.Avoided);
        Assert.True(fetches.Resources.IsSuspect(Rig.D(digest), out var endpoint));
        Assert.Null(endpoint);
    }

    [Fact]
    public async Task Turn_that_fails_at_its_end_does_not_keep_the_digest_from_being_fetched_again()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        await using var fetches = TableOf(rig, new WrongPeers { Sends = Layer, FailsAtTheEnd = true });

        Assert.Equal(Layer, await Rig.ReadAsync(rig.Pull(Rig.Name, fetches: fetches), digest));

        await Rig.UntilAsync(() => fetches.Count == 0);
    }

    private static FetchTable TableOf(Rig rig, IFetchPeers peers) =>
        new(rig.Volume.Fetches, rig.Volume.Content, rig.Clock, NullLogger.Instance, peers);

    private sealed class WrongPeers : IFetchPeers
    {
        public ValueTask<IReadOnlyList<Digest>?> NamingAsync(
            UpstreamRepository source, Digest content, CancellationToken cancellationToken) => default;

        public required byte[] Sends { get; init; }

        public bool FailsAtTheEnd { get; init; }

        public int Begun { get; private set; }

        public List<Uri> Avoided { get; } = [];

        public ValueTask<byte[]?> FindSmallAsync(Digest digest, int most, CancellationToken cancellationToken) => new((byte[]?)null);

        public IFetchTurn Begin(BlobFetch fetch)
        {
            Begun++;
            return new Turn(this, fetch);
        }

        private sealed class Turn(WrongPeers peers, BlobFetch fetch) : IFetchTurn
        {
            public async Task BringAsync(Func<CancellationToken, Task> download, Action started, CancellationToken cancellationToken)
            {
                fetch.Part.Length = peers.Sends.Length;
                started();
                fetch.Part.Write(0, peers.Sends);
                fetch.ReceivedFrom(Peer);
                await fetch.Part.HashAsync(0, peers.Sends, cancellationToken);
            }

            public void Verified()
            {
            }

            public void Misled(IReadOnlyCollection<Uri> liars) => peers.Avoided.AddRange(liars);

            // Long enough that the retry comes before the end of the first fetch.
            public async ValueTask DisposeAsync()
            {
                await Task.Delay(50);
                if (peers.FailsAtTheEnd) throw new InvalidOperationException("the turn failed");
            }
        }
    }
}
