using Xunit;

namespace Gateway.Oci.Tests;

/// <summary>A full cache forgets one entry at a time, and never one that is in use.</summary>
public sealed class RecentlyUsedTests
{
    [Fact]
    public void Full_cache_replaces_only_the_least_recently_used_entry()
    {
        var cache = new RecentlyUsed<int, string>(3);
        for (var i = 1; i <= 3; i++) cache.Set(i, $"{i}");
        Assert.True(cache.TryGet(1, out _));
        cache.Set(2, "two");
        cache.Set(4, "4");
        Assert.Equal(3, cache.Count);
        Assert.False(cache.TryGet(3, out _));
        Assert.Equal(["1", "two", "4"], new[] { 1, 2, 4 }.Select(key => cache.TryGet(key, out var value) ? value : "none"));
    }

    [Fact]
    public void Removed_entry_makes_room_for_another()
    {
        var cache = new RecentlyUsed<int, string>(2);
        cache.Set(1, "1");
        cache.Set(2, "2");
        cache.Remove(1);
        cache.Remove(7);
        cache.Set(3, "3");
        Assert.Equal(2, cache.Count);
        Assert.True(cache.TryGet(2, out _));
    }

    [Fact]
    public void Four_threads_keep_the_bound()
    {
        var cache = new RecentlyUsed<int, int>(100);
        Parallel.For(0, 4, thread =>
        {
            var random = new Random(thread);
            for (var i = 0; i < 10_000; i++)
            {
                var key = random.Next(500);
                if (cache.TryGet(key, out var value)) Assert.Equal(key, value);
                else cache.Set(key, key);
                if (i % 10 == 0) cache.Remove(random.Next(500));
            }
        });
        Assert.InRange(cache.Count, 1, 100);
    }
}
