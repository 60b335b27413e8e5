using Gateway.Oci;
using Xunit;

namespace Gateway.Oci.Tests;

/// <summary>A full cache forgets what nobody reads, one entry at a time.</summary>
public sealed class BoundedCacheTests
{
    [Fact]
    public void Full_cache_removes_one_entry_for_each_that_is_added()
    {
        var cache = new BoundedCache<int, string>(100);
        for (var i = 0; i < 1000; i++)
        {
            cache.Set(i, $"{i}");
            Assert.Equal(Math.Min(i + 1, 100), cache.Count);
        }
        Assert.Equal(Enumerable.Range(900, 100), Enumerable.Range(0, 1000).Where(i => cache.TryGet(i, out _)));
    }

    [Fact]
    public void Entry_that_is_read_again_and_again_outlives_entries_that_are_not()
    {
        var cache = new BoundedCache<int, string>(10);
        cache.Set(-1, "read");
        for (var i = 0; i < 1000; i++)
        {
            cache.Set(i, "not read");
            Assert.True(cache.TryGet(-1, out var value));
            Assert.Equal("read", value);
        }
    }

    [Fact]
    public void Entry_that_is_no_longer_read_is_removed()
    {
        var cache = new BoundedCache<int, string>(10);
        cache.Set(-1, "read once");
        Assert.True(cache.TryGet(-1, out _));
        for (var i = 0; i < 20; i++) cache.Set(i, "newer");
        Assert.False(cache.TryGet(-1, out _));
    }

    [Fact]
    public void Replaced_value_is_the_one_that_is_found_and_takes_no_second_place()
    {
        var cache = new BoundedCache<int, int>(4);
        for (var i = 0; i < 1000; i++) cache.Set(0, i);
        for (var i = 1; i < 4; i++) cache.Set(i, i);
        Assert.Equal(4, cache.Count);
        Assert.True(cache.TryGet(0, out var value));
        Assert.Equal(999, value);
    }

    [Fact]
    public void First_value_stays_when_two_are_added_under_one_key()
    {
        var cache = new BoundedCache<string, int>(4);
        Assert.Equal(1, cache.GetOrAdd("key", 1));
        Assert.Equal(1, cache.GetOrAdd("key", 2));
    }

    [Fact]
    public async Task Concurrent_additions_and_reads_keep_the_bound()
    {
        var cache = new BoundedCache<int, int>(64);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(n => Task.Run(() =>
        {
            for (var i = 0; i < 20_000; i++)
            {
                cache.Set((i * 7) + n, i);
                cache.TryGet(i, out _);
                Assert.InRange(cache.Count, 0, 64);
            }
        })));
    }

    [Fact]
    public void Reading_allocates_nothing()
    {
        var cache = new BoundedCache<(string, int), string>(4);
        cache.Set(("a", 1), "value");
        cache.TryGet(("a", 1), out _);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++) cache.TryGet(("a", 1), out _);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
