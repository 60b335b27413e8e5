using System.Net;
using System.Net.Sockets;
using Gateway.Oci;
using Gateway.Replicas;
using Gateway.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Scripted;
using Xunit;

namespace Gateway.Tests.Replicas;

/// <summary>A replica that accepts connections and answers nothing, as one whose machine hangs.</summary>
public sealed class SlowReplicaTests : IDisposable
{
    private static readonly Uri Slow = new("http://10.0.0.2:5002");

    private readonly string _secret = Path.GetTempFileName();

    public SlowReplicaTests() => File.WriteAllText(_secret, new string('a', 64));

    public void Dispose() => File.Delete(_secret);

    [Fact]
    public async Task Replica_that_does_not_answer_is_not_asked_by_each_fetch()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var asked = 0;
        using var end = new CancellationTokenSource();
        var accepting = AcceptAsync();
        await using var hub = await ScriptedUpstream.StartAsync();
        await using var rig = await GatewayRig.StartAsync(options => options with
        {
            Upstreams = options.Upstreams.Add("corp", new() { Key = "corp", Urls = [hub.Url] }),
            Replicas = new()
            {
                Peers = [new($"http://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}")],
                Listen = new($"http://127.0.0.1:{FreePorts.Next()}"), SecretFile = _secret, Timeout = TimeSpan.FromMilliseconds(300),
            },
        });
        var seed = 0;

        // Its first fetch waits for the replica; on a machine that stalls, so does a later one.
        await Patience.UntilAsync(
            async () =>
            {
                var before = Volatile.Read(ref asked);
                var blob = hub.AddBlob("team/app", ScriptedUpstream.Bytes(1000, ++seed));
                Assert.Equal(1000, (await rig.Client.GetByteArrayAsync($"/v2/corp/team/app/blobs/{blob}")).Length);
                return seed > 1 && Volatile.Read(ref asked) == before;
            },
            () => $"a fetch that does not ask the replica; {seed} fetches asked it {asked} times");

        Assert.True(asked > 0);
        await end.CancelAsync();
        await accepting;

        async Task AcceptAsync()
        {
            var open = new List<Socket>();
            try
            {
                while (true)
                {
                    open.Add(await silent.AcceptSocketAsync(end.Token));
                    Interlocked.Increment(ref asked);
                }
            }
            catch (OperationCanceledException)
            {
                open.ForEach(static socket => socket.Dispose());
            }
        }
    }

    [Fact]
    public void Replica_is_slow_for_some_seconds_after_it_was_late_and_had_not_answered_another_request_since()
    {
        var clock = new SetClock();
        using var members = new Members(
            new() { Peers = [Slow] }, new(new() { Listen = new("http://10.0.0.1:5002") }), null!, clock, NullLogger<Members>.Instance);
        var asked = clock.GetTimestamp();
        clock.Advance(1);
        members.Heard(Slow, clock.GetTimestamp(), answered: true, failed: false);
        members.Heard(Slow, asked, answered: false, failed: false);
        Assert.False(members.IsSlow(Slow));

        asked = clock.GetTimestamp();
        clock.Advance(1);
        members.Heard(Slow, asked, answered: false, failed: false);
        Assert.True(members.IsSlow(Slow));
        // It can still be reached, so that it can be asked for what no other source knows.
        Assert.Equal([Slow], members.OrderFor(Digest.Of("content"u8)));
        clock.Advance(4);
        Assert.False(members.IsSlow(Slow));

        members.Heard(Slow, clock.GetTimestamp(), answered: false, failed: false);
        Assert.True(members.IsSlow(Slow));
        members.Heard(Slow, clock.GetTimestamp(), answered: true, failed: false);
        Assert.False(members.IsSlow(Slow));
        members.Heard(Slow, clock.GetTimestamp(), answered: false, failed: true);
        Assert.Empty(members.OrderFor(Digest.Of("content"u8)));
    }

    /// <summary>Its day never changes: what is remembered for seconds does not depend on the time of day.</summary>
    private sealed class SetClock : TimeProvider
    {
        private long _now = 1;

        public override long TimestampFrequency => 1;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch;

        public override long GetTimestamp() => _now;

        public void Advance(int seconds) => _now += seconds;
    }
}
