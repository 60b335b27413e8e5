using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Replicas;
using Gateway.Storage;
using Gateway.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Replicas;

/// <summary>What a replica answers to another one that does not wait for long.</summary>
public sealed class PeerFaceTests : IDisposable
{
    private const string Host = "10.0.0.1:5002";

    private readonly string _file = Path.GetTempFileName();
    private readonly PeerSecret _secret;
    private readonly PeerSignature _signature;
    private readonly News _news;

    public PeerFaceTests()
    {
        File.WriteAllText(_file, new string('a', 64));
        _secret = new(_file, TimeProvider.System, NullLogger<PeerSecret>.Instance);
        _signature = new(_secret, TimeProvider.System);
        _news = new(null!, null!, null!, _secret, TimeProvider.System, NullLogger<News>.Instance);
    }

    public void Dispose()
    {
        _news.Dispose();
        File.Delete(_file);
    }

    private PeerFace FaceOf(IContentLookup contents, TimeSpan timeout) => new(
        new ReplicaOptions { Timeout = timeout }, _signature, new SharedFetches(null!), _news, null!, contents, null!,
        NullLogger<PeerFace>.Instance);

    private DefaultHttpContext Request(string method, string path, string query = "", CancellationToken aborted = default)
    {
        var context = new DefaultHttpContext { RequestAborted = aborted };
        (context.Request.Method, context.Request.Path, context.Request.QueryString) = (method, path, new(query));
        context.Request.Headers.Host = Host;
        context.Request.Headers.Authorization = _signature.Sign(method, Host, path + query);
        return context;
    }

    [Fact]
    public async Task Purge_goes_on_when_the_replica_that_told_it_waits_no_longer_and_is_carried_out_once()
    {
        var (purges, end) = (0, new TaskCompletionSource());
        _news.Purge = async (_, cancellationToken) =>
        {
            Interlocked.Increment(ref purges);
            await end.Task.WaitAsync(cancellationToken);
        };
        using var face = FaceOf(new SilentContents(), Patience.Of(5));
        using var impatient = new CancellationTokenSource();
        var first = face.AnswerAsync(Request("POST", PeerPaths.PurgePath, "?id=1&what=hub", impatient.Token));
        await Patience.UntilAsync(() => Task.FromResult(Volatile.Read(ref purges) == 1), () => "the purge begins");
        await impatient.CancelAsync();
        await first.InTimeAsync("the first request ends");

        var again = Request("POST", PeerPaths.PurgePath, "?id=1&what=hub");
        var second = face.AnswerAsync(again);
        Assert.False(second.IsCompleted);
        end.SetResult();
        await second.InTimeAsync("the purge is confirmed");

        Assert.Equal((200, 1), (again.Response.StatusCode, purges));
    }

    [Fact]
    public async Task Replica_whose_bucket_is_silent_says_within_the_time_of_a_probe_that_it_has_nothing()
    {
        using var face = FaceOf(new SilentContents(), TimeSpan.FromMilliseconds(200));
        var context = Request("HEAD", PeerPaths.Content(Digest.Of("content"u8)));

        await face.AnswerAsync(context).InTimeAsync("the answer");

        Assert.Equal(404, context.Response.StatusCode);
    }

    /// <summary>As a bucket that does not answer.</summary>
    private sealed class SilentContents : IContentLookup
    {
        public ValueTask<long?> FindAsync(Digest digest, long size, CancellationToken cancellationToken) => default;

        public async ValueTask<IContent?> OpenAsync(Digest digest, long size, CancellationToken cancellationToken)
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return null;
        }
    }
}
