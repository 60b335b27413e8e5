using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>The order in which content makes room, alone.</summary>
public sealed class GreedyDualTests
{
    private const long MiB = 1 << 20;

    private readonly GreedyDual<string> _order = new();

    private string Next() => _order.TryTake(out var key, out _, out _) ? key : "nothing";

    [Fact]
    public void Of_what_is_alike_what_was_used_longest_ago_goes_first()
    {
        foreach (var key in new[] { "a", "b", "c" }) _order.Add(key, MiB);
        foreach (var key in new[] { "b", "a", "c" }) _order.Use(key);
        Assert.Equal(["b", "a", "c", "nothing"], [Next(), Next(), Next(), Next()]);
    }

    [Fact]
    public void What_is_used_often_outlives_what_was_used_later()
    {
        _order.Add("often", MiB);
        for (var i = 0; i < 3; i++) _order.Use("often");
        _order.Add("later", MiB);
        Assert.Equal("later", Next());
    }

    [Fact]
    public void A_manifest_outlives_a_layer_for_it_frees_nothing_and_costs_a_round_trip()
    {
        _order.Add("manifest", 2000);
        _order.Add("layer", 100 * MiB);
        Assert.Equal("layer", Next());
    }

    [Fact]
    public void A_scan_passes_through_and_leaves_what_is_used()
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
    public void What_nobody_uses_any_more_goes_in_the_end_however_often_it_was_used_before()
    {
        _order.Add("old favourite", 10 * MiB);
        for (var i = 0; i < 1000; i++) _order.Use("old favourite");
        var taken = 0;
        for (; taken < 1000 && (_order.Find("old favourite") is not null); taken++)
        {
            _order.Add($"new{taken}", 10 * MiB);
            Next();
        }
        Assert.InRange(taken, 2, 100);
    }

    [Fact]
    public void What_comes_back_soon_is_known_to_have_been_used()
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
    public void What_is_put_back_keeps_its_place()
    {
        _order.Add("a", MiB);
        _order.Add("b", MiB);
        Assert.True(_order.TryTake(out var key, out var size, out var worth));
        _order.Return(key, size, worth);
        Assert.Equal(2 * MiB, _order.Bytes);
        Assert.Equal(["b", "a"], [Next(), Next()]);
    }

    [Fact]
    public void An_order_that_is_restored_goes_on_where_it_was()
    {
        // The level has risen: what is restored must not stand above all that comes later.
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
    public void Whatever_happens_what_goes_is_the_lowest_of_all_and_the_sum_is_right(int seed)
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
