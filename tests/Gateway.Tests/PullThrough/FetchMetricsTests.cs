using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Gateway.PullThrough;
using Gateway.Tests.Operations;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>What an operator sees of fetches.</summary>
[Collection(ProcessWide.Name)]
public sealed class FetchMetricsTests
{
    private const int Length = 6 << 20;

    [Fact]
    public async Task Fetch_counts_its_bytes_its_resumes_and_its_readers()
    {
        var seen = new ConcurrentDictionary<string, long>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == PullThroughMetrics.MeterName) l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
            seen.AddOrUpdate(
                string.Join(' ', [instrument.Name, .. tags.ToArray().Select(t => $"{t.Value}")]), value, (_, sum) => sum + value));
        listener.Start();

        await using var rig = await Rig.StartAsync();
        var layer = ScriptedUpstream.Bytes(Length, seed: 61);
        var digest = rig.Hub.AddBlob(Rig.Name, layer);
        rig.Hub.When(r => r.IsGet && r.Range is null).Cut(after: 2_000_000).Once();
        await Rig.ReadAsync(rig.Backing, digest);
        await rig.SettleAsync();
        await Rig.ReadAsync(rig.Backing, digest);
        var wrong = rig.Hub.AddBlob(Rig.Name, ScriptedUpstream.Bytes(1000, seed: 62));
        rig.Hub.When(r => r.IsGet && r.IsBlob(wrong)).Flip(at: 5).Once();
        await Rig.ReadAsync(rig.Backing, wrong);
        await rig.SettleAsync();

        Assert.Equal(2, seen["gateway.cache.requests hub blob miss"]);
        Assert.Equal(1, seen["gateway.cache.requests hub blob hit"]);
        Assert.Equal(Length + 2000, seen["gateway.cache.bytes hub fetched"]);
        Assert.Equal(1, seen["gateway.fetch.resumes"]);
        Assert.Equal(1, seen["gateway.integrity.failures upstream"]);
        Assert.Equal(0, seen["gateway.fetches.in_flight"]);
        Assert.DoesNotContain(seen.Keys, k => k.StartsWith("gateway.fetch.ranges", StringComparison.Ordinal));
    }
}
