using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Gateway.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>A request that does not give its thread back, as when the disk does not answer.</summary>
public sealed class BlockedHandlerTests
{
    private const int Others = 50;

    // One thread added each fifth of a second would serve them after 20 s.
    private const int ManyBlocked = 100;

    [Fact]
    public async Task Other_connections_are_answered_while_one_request_blocks_its_thread()
    {
        await using var rig = await GatewayRig.StartAsync();
        await rig.PushManifestAsync("quick/app", "v1");
        using var block = new Block("/v2/slow/app/manifests/v1");
        using var requests = rig.Services.GetRequiredService<DiagnosticListener>().Subscribe(block);
        var blocked = AskAsync(rig.Url.Port, block.Path);
        await block.Reached.WaitAsync(Patience.Of(30), TestContext.Current.CancellationToken);

        var begun = Stopwatch.GetTimestamp();
        var answers = await Task.WhenAll(Enumerable.Range(0, Others).Select(_ => AskAsync(rig.Url.Port, "/v2/quick/app/manifests/v1")));
        var rest = TimeSpan.FromSeconds(2) - Stopwatch.GetElapsedTime(begun);
        if (rest > TimeSpan.Zero) await Task.Delay(rest, TestContext.Current.CancellationToken);
        var wasBlocked = !blocked.IsCompleted;
        block.Dispose();

        Assert.All(answers, static answer => Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal));
        Assert.True(wasBlocked);
        Assert.StartsWith("HTTP/1.1 404", await blocked, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_is_answered_while_more_requests_block_than_threads_wait_for_sockets()
    {
        await using var rig = await GatewayRig.StartAsync();
        await rig.PushManifestAsync("quick/app", "v1");
        using var block = new Block("/v2/slow/app/manifests/v1");
        using var requests = rig.Services.GetRequiredService<DiagnosticListener>().Subscribe(block);
        var blocked = Enumerable.Range(0, ManyBlocked).Select(_ => AskAsync(rig.Url.Port, block.Path)).ToList();
        await block.Reached.WaitAsync(Patience.Of(30), TestContext.Current.CancellationToken);

        var answer = await AskAsync(rig.Url.Port, "/v2/quick/app/manifests/v1");
        var wereBlocked = blocked.TrueForAll(static each => !each.IsCompleted);
        block.Dispose();

        Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.True(wereBlocked);
        Assert.All(await Task.WhenAll(blocked), static each => Assert.StartsWith("HTTP/1.1 404", each, StringComparison.Ordinal));
    }

    // Each on a connection of its own: the runtime may hand all of them to the thread that is blocked.
    private static async Task<string> AskAsync(int port, string path)
    {
        using var late = Patience.Limit(30);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port, late.Token);
        await socket.SendAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"), late.Token);
        var answer = new byte[64];
        return Encoding.ASCII.GetString(answer, 0, await socket.ReceiveAsync(answer, late.Token));
    }

    /// <summary>Blocks the thread on which requests for a path begin, until it is disposed of.</summary>
    private sealed class Block(string path) : IObserver<KeyValuePair<string, object?>>, IDisposable
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Path => path;

        public Task Reached => _reached.Task;

        public void OnNext(KeyValuePair<string, object?> value)
        {
            if (value is not { Key: "Microsoft.AspNetCore.Hosting.HttpRequestIn.Start", Value: HttpContext context }
                || context.Request.Path.Value != path) return;
            _reached.TrySetResult();
            _ended.Task.Wait();
        }

        public void OnCompleted()
        {
        }

        public void OnError(Exception error)
        {
        }

        public void Dispose() => _ended.TrySetResult();
    }
}
