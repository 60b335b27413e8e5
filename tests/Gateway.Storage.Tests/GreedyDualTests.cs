using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>The order of eviction by itself.</summary>
public sealed class GreedyDualTests
{
    private const long MiB = 1 << 20;

    private readonly GreedyDual<string> _order = new();

    private string Next() => _order.TryTake(out var key, out _, out _) ? key : "nothing";

    [Fact]
    public void Least_recently_used_of_equal_entries_is_removed_first()
    {
        foreach (var key in new[] { "a", "b", "c" }) _order.Add(key, MiB);
        foreach (var key in new[] { "b", "a", "c" }) _order.Use(key);
        Assert.Equal(["b", "a", "c", "nothing"], [Next(), Next(), Next(), Next()]);
    }

    [Fact]
    public void Frequently_used_entry_outlives_a_more_recently_used_one()
    {
        _order.Add("often", MiB);
        for (var i = 0; i < 3; i++) _order.Use("often");
        _order.Add("later", MiB);
        Assert.Equal("later", Next());
    }

    [Fact]
    public void Manifest_outlives_a_layer_of_equal_use()
    {
        _order.Add("manifest", 2000);
        _order.Add("layer", 100 * MiB);
        Assert.Equal("layer", Next());
    }

    [Fact]
    public void Scan_of_unused_entries_leaves_used_entries_in_the_order()
    {
        _order.Add("used", 10 * MiB);
        _order.Use("used");
        for (var i = 0; i < 5; i++)
        {
            _order.Add($"scan{i}", 10 * MiB);
            Assert.Equal($"scan{i}", Next());
            _order.Use("used");
        }
        Assert.True((_order.Find("used") is not null));
    }

    [Fact]
    public void Entry_no_longer_used_is_finally_removed_however_often_it_was_used()
    {
        _order.Add("old favorite", 10 * MiB);
        for (var i = 0; i < 1000; i++) _order.Use("old favorite");
        var taken = 0;
        for (; taken < 1000 && (_order.Find("old favorite") is not null); taken++)
        {
            _order.Add($"new{taken}", 10 * MiB);
            Next();
        }
        Assert.InRange(taken, 2, 100);
    }

    [Fact]
    public void Entry_added_again_soon_after_removal_keeps_its_uses()
    {
        _order.Add("known", MiB);
        _order.Use("known");
        Assert.Equal("known", Next());
        _order.Add("new", MiB);
        _order.Add("known", MiB);
        Assert.Equal(3u, _order.Find("known")?.Uses);
        Assert.Equal("new", Next());
    }

    [Fact]
    public void Entry_put_back_keeps_its_place()
    {
        _order.Add("a", MiB);
        _order.Add("b", MiB);
        Assert.True(_order.TryTake(out var key, out var size, out var worth));
        _order.Return(key, size, worth);
        Assert.Equal(2 * MiB, _order.Bytes);
        Assert.Equal(["b", "a"], [Next(), Next()]);
    }

    [Fact]
    public void Restored_order_continues_where_it_stopped()
    {
        // The level has risen: restored entries must not rank above all later ones.
        for (var i = 0; i < 50; i++)
        {
            _order.Add($"gone{i}", MiB);
            if (i >= 10) Next();
        }
        _order.Add("used", MiB);
        _order.Use("used");
        _order.Add("unused", MiB);
        var known = new[] { "used", "unused" }.Select(key => (key, MiB, _order.Find(key))).ToArray();

        var restored = new GreedyDual<string>();
        restored.Restore([.. known, ("unknown", MiB, null)]);
        Assert.Equal(3 * MiB, restored.Bytes);
        Assert.Equal(known[0].Item3, restored.Find("used"));
        Assert.True(restored.TryTake(out var first, out _, out _));
        Assert.Equal("unused", first);
        restored.Add("new", MiB);
        Assert.True(restored.Find("new")!.Value.Priority > known[1].Item3!.Value.Priority);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Removed_entry_is_always_the_lowest_and_the_sum_is_right_under_random_operations(int seed)
    {
        var random = new Random(seed);
        var order = new GreedyDual<int>();
        var model = new Dictionary<int, long>();
        for (var step = 0; step < 20_000; step++)
        {
            var key = random.Next(300);
            var size = 1L << random.Next(28);
            switch (random.Next(5))
            {
                case 0 or 1:
                    Assert.Equal(model.TryAdd(key, size), order.Add(key, size));
                    break;
                case 2:
                    Assert.Equal(model.ContainsKey(key), order.Use(key));
                    break;
                case 3 when random.Next(4) == 0:
                    Assert.Equal(model.Remove(key), order.Remove(key));
                    break;
                default:
                    var lowest = model.Count == 0 ? 0 : model.Keys.Min(each => order.Find(each)!.Value.Priority);
                    Assert.Equal(model.Count > 0, order.TryTake(out var taken, out var freed, out var worth));
                    if (model.Count == 0) break;
                    Assert.Equal((lowest, model[taken]), (worth.Priority, freed));
                    model.Remove(taken);
                    break;
            }
            Assert.Equal((model.Count, model.Values.Sum()), (order.Count, order.Bytes));
        }
    }
}
