using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.PullThrough;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Tests.Operations;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>The metrics of fetches.</summary>
[Collection(ProcessWide.Name)]
public sealed class FetchMetricsTests
{
    private const int Length = 6 << 20;

    [Fact]
    public async Task Fetch_counts_its_bytes_its_resumes_and_its_readers()
    {
        using var metrics = new Measured();
        var seen = metrics.Seen;

        await using var rig = await Rig.StartAsync();
        var layer = ScriptedUpstream.Bytes(Length, seed: 61);
        var digest = rig.Hub.AddBlob(Rig.Name, layer);
        rig.Hub.When(r => r.IsGet && r.Range is null).Cut(after: 2_000_000).Once();
        await PullAsync(rig.Gate, digest);
        await rig.SettleAsync();
        await PullAsync(rig.Gate, digest);
        var wrong = rig.Hub.AddBlob(Rig.Name, ScriptedUpstream.Bytes(1000, seed: 62));
        rig.Hub.When(r => r.IsGet && r.IsBlob(wrong)).Flip(at: 5).Once();
        await PullAsync(rig.Gate, wrong);
        await rig.SettleAsync();

        Assert.Equal(2, seen["gateway.cache.requests hub blob miss"]);
        Assert.Equal(1, seen["gateway.cache.requests hub blob hit"]);
        Assert.Equal(Length + 2000, seen["gateway.cache.bytes hub fetched"]);
        Assert.Equal(1, seen["gateway.fetch.resumes"]);
        Assert.Equal(1, seen["gateway.integrity.failures upstream"]);
        Assert.Equal(0, seen["gateway.fetches.in_flight"]);
        Assert.DoesNotContain(seen.Keys, k => k.StartsWith("gateway.fetch.ranges", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Pull_under_a_policy_counts_each_client_request_once_and_no_read_of_the_gate()
    {
        await using var rig = await Rig.StartAsync(o => o with { Referrers = ReferrersFetch.OnDemand });
        var image = rig.Hub.AddImage(Rig.Name, "v1", ScriptedUpstream.Bytes(1000, seed: 63), ScriptedUpstream.Bytes(1000, seed: 64));
        var gate = rig.Under(new PolicyOptions { Default = Outcome.Allow });
        using var metrics = new Measured();

        for (var i = 0; i < 2; i++)
        {
            await gate.GetManifestAsync(Rig.Caller, new(TagName.Parse("v1")), default);
            foreach (var layer in image.Layers) await PullAsync(gate, layer);
            await rig.SettleAsync();
        }

        Assert.Equal(2, metrics.Sum("gateway.cache.requests hub tag"));
        Assert.Equal(2, metrics.Sum("gateway.cache.requests hub manifest"));
        Assert.Equal(2 * image.Layers.Count, metrics.Sum("gateway.cache.requests hub blob"));
        Assert.Equal(1, metrics.Seen["gateway.cache.requests hub manifest hit"]);
        Assert.Equal(image.Layers.Count, metrics.Seen["gateway.cache.requests hub blob hit"]);
    }

    private static async Task PullAsync(Repository gate, string digest)
    {
        var answer = await gate.OpenBlobAsync(Rig.Caller, Rig.D(digest), BlobUse.Whole, default);
        await using var content = Assert.IsType<Answer<IContent>.Found>(answer).Value;
        await Rig.ReadAsync(content);
    }

    /// <summary>The measurements since this was created.</summary>
    private sealed class Measured : IDisposable
    {
        private readonly MeterListener _listener = new();

        public Measured()
        {
            _listener.InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == PullThroughMetrics.MeterName) l.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
                Seen.AddOrUpdate(
                    string.Join(' ', [instrument.Name, .. tags.ToArray().Select(t => $"{t.Value}")]), value, (_, sum) => sum + value));
            _listener.Start();
        }

        public ConcurrentDictionary<string, long> Seen { get; } = new();

        public long Sum(string prefix) =>
            Seen.Where(counted => counted.Key.StartsWith(prefix + " ", StringComparison.Ordinal)).Sum(counted => counted.Value);

        public void Dispose() => _listener.Dispose();
    }
}
