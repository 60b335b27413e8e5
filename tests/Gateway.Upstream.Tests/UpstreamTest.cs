using System.Collections.Immutable;
using System.Text;
using Gateway.Oci;
using Microsoft.Extensions.Logging;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>The base of tests of upstreams: scripted upstreams, a client for them, a clock that a test moves, and the log.</summary>
public abstract class UpstreamTest : IAsyncLifetime
{
    private protected const string Name = "library/nginx";
    private protected static readonly byte[] Layer = ScriptedUpstream.Bytes(100_000, seed: 7);

    private readonly List<IAsyncDisposable> _owned = [];
    private readonly List<string> _files = [];

    private protected TestClock Clock { get; } = new();

    private protected LogText Logged { get; } = new();

    /// <summary>The first upstream, http on 127.0.0.1, with one image.</summary>
    private protected ScriptedUpstream Hub { get; private set; } = null!;

    private protected ScriptedImage Image { get; private set; } = null!;

    public virtual async ValueTask InitializeAsync()
    {
        Hub = await StartAsync();
        Image = Hub.AddImage(Name, "latest", Layer);
    }

    public async ValueTask DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--) await _owned[i].DisposeAsync();
        foreach (var file in _files) File.Delete(file);
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Disposes what a test class started besides the scripted upstreams.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }

    private protected async Task<ScriptedUpstream> StartAsync(string address = "127.0.0.1", bool https = false) =>
        Own(await ScriptedUpstream.StartAsync(address, https));

    private protected static RegistryOptions OptionsFor(params ScriptedUpstream[] endpoints) =>
        new() { Key = "hub", Urls = [.. endpoints.Select(e => e.Url)] };

    private protected async Task<UpstreamRegistries> BuildAllAsync(
        RegistryOptions options, ResolveHost? resolve = null, ISharedLimits? shared = null) =>
        Own(await UpstreamRegistries.BuildAsync([options], Clock, Logged, resolve, shared));

    private protected async Task<IUpstreamRegistry> BuildAsync(RegistryOptions options, ResolveHost? resolve = null) =>
        (await BuildAllAsync(options, resolve))[options.Key];

    private protected Task<IUpstreamRegistry> BuildAsync() => BuildAsync(OptionsFor(Hub));

    private protected static UpstreamRequest Manifest(string reference = "latest", HttpMethod? method = null) =>
        new(method ?? HttpMethod.Get, UpstreamNoun.Manifest, RepositoryName.Parse(Name), reference);

    private protected UpstreamRequest Blob((long First, long Last)? range = null) =>
        new(HttpMethod.Get, UpstreamNoun.Blob, RepositoryName.Parse(Name), Image.Layers[0]) { Range = range };

    private protected static async Task<byte[]> ReadAsync(UpstreamResponse response)
    {
        await using (response)
        {
            var bytes = new MemoryStream();
            await response.Body.CopyToAsync(bytes);
            return bytes.ToArray();
        }
    }

    /// <summary>Sends a request that must fail. Returns the failure.</summary>
    private protected static Task<UpstreamException> FailureOfAsync(IUpstreamRegistry upstream, UpstreamRequest request) =>
        Assert.ThrowsAsync<UpstreamException>(async () => await (await upstream.SendAsync(request, default)).DisposeAsync());

    private protected string FileWith(string content)
    {
        var file = Path.Combine(Path.GetTempPath(), $"gateway-upstream-{Guid.NewGuid():N}");
        File.WriteAllText(file, content);
        _files.Add(file);
        return file;
    }

    private T Own<T>(T part)
        where T : IAsyncDisposable
    {
        _owned.Add(part);
        return part;
    }
}

/// <summary>A wall clock that a test moves. Timers use the real clock, or run <see cref="Haste"/> times as fast.</summary>
internal sealed class TestClock : TimeProvider
{
    private long _offset;

    public int Haste { get; set; } = 1;

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _offset));

    public void Advance(TimeSpan by) => Interlocked.Add(ref _offset, by.Ticks);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        new HastyTimer(base.CreateTimer(callback, state, Shorten(dueTime), period), this);

    private TimeSpan Shorten(TimeSpan time) => time > TimeSpan.Zero ? time / Haste : time;

    private sealed class HastyTimer(ITimer timer, TestClock clock) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(clock.Shorten(dueTime), period);

        public void Dispose() => timer.Dispose();

        public ValueTask DisposeAsync() => timer.DisposeAsync();
    }
}
