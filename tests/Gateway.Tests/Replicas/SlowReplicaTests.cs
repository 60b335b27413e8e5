using System.Net;
using System.Net.Sockets;
using System.Text;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.PullThrough;
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
    public async Task Replica_that_was_slow_is_not_asked_what_names_content_while_another_one_names_it()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        using var naming = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        naming.Start();
        Uri[] peers = [new($"http://{silent.LocalEndpoint}"), new($"http://{naming.LocalEndpoint}")];
        var options = new ReplicaOptions { Peers = [.. peers], Listen = new("http://10.0.0.1:5002"), Timeout = Patience.Of(5) };
        var secret = new PeerSecret(_secret, TimeProvider.System, NullLogger<PeerSecret>.Instance);
        using var members = new Members(options, new(options), secret, new SetClock(), NullLogger<Members>.Instance);
        using var client = new PeerClient(options, new(), new(secret, TimeProvider.System), TimeProvider.System);
        using var fetches = new SharedFetches(
            new(new(options), members, client, TimeProvider.System, NullLogger<SharedFetches>.Instance));
        members.Heard(peers[0], asked: 1, answered: false, failed: false);
        var manifest = Digest.Of("manifest"u8);
        var answering = AnswerAsync();

        var source = new UpstreamRepository(
            new() { Key = "corp", Urls = [new("http://10.0.0.4")] }, null!, RepositoryName.Parse("team/app"), TimeProvider.System);
        var named = await fetches.NamingAsync(source, Digest.Of("content"u8), default);

        await answering;
        Assert.Equal([manifest], named);
        Assert.False(silent.Pending());

        async Task AnswerAsync()
        {
            using var socket = await naming.AcceptSocketAsync();
            await socket.ReceiveAsync(new byte[4096]);
            var text = manifest.ToString();
            await socket.SendAsync(Encoding.ASCII.GetBytes(
                $"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {text.Length}\r\n\r\n{text}"));
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
