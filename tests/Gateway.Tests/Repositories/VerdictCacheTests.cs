using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Xunit;

namespace Gateway.Tests.Repositories;

public sealed class VerdictCacheTests
{
    private static readonly VerdictKey Key = new(RepositoryName.Parse("prod/app"), Digest.Of("one"u8), null, null);

    private readonly VerdictCache _cache = new();
    private readonly TaskCompletionSource<Verdict> _found = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _looked;

    private Task<Verdict> Look()
    {
        Interlocked.Increment(ref _looked);
        return _found.Task;
    }

    private Task<Verdict> SeekAsync(long version = 1, CancellationToken cancellationToken = default) =>
        _cache.SeekAsync(Key, new(version, 0), Look, cancellationToken);

    private static Verdict Allowed => new(Outcome.Allow, 1, []);

    [Fact]
    public async Task Concurrent_requests_wait_for_one_evaluation()
    {
        var asked = Enumerable.Range(0, 50).Select(_ => SeekAsync()).ToArray();
        var verdict = Allowed;
        _found.SetResult(verdict);
        Assert.All(await Task.WhenAll(asked), v => Assert.Same(verdict, v));
        Assert.Equal(1, _looked);
    }

    [Fact]
    public async Task Canceled_request_does_not_affect_the_others()
    {
        using var gone = new CancellationTokenSource();
        var (first, second) = (SeekAsync(cancellationToken: gone.Token), SeekAsync());
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        _found.SetResult(Allowed);
        Assert.Equal(Outcome.Allow, (await second).Outcome);
    }

    [Fact]
    public async Task Request_after_a_change_gets_no_verdict_from_before_it()
    {
        var (before, after) = (SeekAsync(version: 1), SeekAsync(version: 2));
        _found.SetResult(Allowed);
        await Task.WhenAll(before, after);
        Assert.Equal(2, _looked);
    }

    [Fact]
    public async Task Failure_is_returned_to_all_waiting_requests_and_not_cached()
    {
        var first = SeekAsync();
        _found.SetException(new IOException("the disk"));
        await Assert.ThrowsAsync<IOException>(() => first);
        var again = await _cache.SeekAsync(Key, new(1, 0), () => Task.FromResult(Allowed), default);
        Assert.Equal(Outcome.Allow, again.Outcome);
    }
}
