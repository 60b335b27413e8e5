using Gateway.Testing;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class BatchQueueTests
{
    private readonly BatchQueue<int> _queue = new();

    [Fact]
    public void Batch_has_the_oldest_items_in_order_and_at_most_as_many_as_asked_for()
    {
        for (var i = 0; i < 5; i++) Assert.True(_queue.TryAdd(i));

        Assert.Equal([0, 1, 2], _queue.Take(3, Patience.Of(60)));
        Assert.Equal([3, 4], _queue.Take(3, Patience.Of(60)));
    }

    [Fact]
    public void Batch_is_empty_when_nothing_arrives_in_time() => Assert.Empty(_queue.Take(3, TimeSpan.FromMilliseconds(1)));

    [Fact]
    public async Task Taking_waits_for_an_item()
    {
        var taking = Task.Run(() => _queue.Take(3, Patience.Of(60)), TestContext.Current.CancellationToken);
        _queue.TryAdd(7);

        Assert.Equal([7], await taking);
    }

    [Fact]
    public async Task Closing_wakes_the_thread_that_waits()
    {
        var taking = Task.Run(() => _queue.Take(3, Patience.Of(60)), TestContext.Current.CancellationToken);
        _queue.Close();

        Assert.Empty(await taking);
        Assert.True(_queue.IsCompleted);
    }

    [Fact]
    public void Closed_queue_accepts_nothing_and_still_gives_what_it_has()
    {
        _queue.TryAdd(1);
        _queue.Close();

        Assert.False(_queue.TryAdd(2));
        Assert.False(_queue.IsCompleted);
        Assert.Equal([1], _queue.Take(3, Patience.Of(60)));
        Assert.True(_queue.IsCompleted);
    }
}
