using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>
/// What a gateway measures of the log and of local copies. Other tests measure at the same time, so counts are least counts.
/// </summary>
public sealed class BucketMetricsTests
{
    [Fact]
    public async Task Commits_are_counted_by_their_results_and_copies_by_their_bytes()
    {
        var seen = new ConcurrentDictionary<string, double>();
        using var listener = new MeterListener
        {
            InstrumentPublished = static (instrument, each) =>
            {
                if (instrument.Meter.Name == BucketMetrics.MeterName) each.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        listener.Start();
        var (bucket, isLost) = (new MemoryBucket(), false);
        await using var one = await SharedRig.OpenAsync(bucket);
        await using var two = await SharedRig.OpenAsync(new FaultyBucket(bucket, call =>
            isLost && call.Verb == BucketVerb.Put && call.Key.StartsWith("gateway/heads/", StringComparison.Ordinal)
                ? Fault.AnswerLost
                : Fault.None));
        var (here, there) = (one.Volume.Repositories.BuiltIn(VolumeRig.Name), two.Volume.Repositories.BuiltIn(VolumeRig.Name));
        await VolumeRig.PushAsync(here, "v1", "text");
        // Both write at the same time until one of them was second.
        for (var i = 0; !seen.ContainsKey("gateway.bucket.commits conflict"); i++)
            await Task.WhenAll(VolumeRig.PushAsync(here, "v2", $"a {i}"), VolumeRig.PushAsync(there, "v3", $"b {i}"));
        isLost = true;
        await VolumeRig.PushAsync(there, "v4", "more");

        Assert.All(
            (string[])["done", "conflict", "looked"],
            result => Assert.True(seen.GetValueOrDefault($"gateway.bucket.commits {result}") >= 1));
        Assert.True(seen["gateway.bucket.commit.duration "] > 0);
        await Patience.UntilAsync(
            () => Task.FromResult(
                seen.GetValueOrDefault("gateway.bucket.copies done") >= 1 && seen.GetValueOrDefault("gateway.bucket.copied ") >= 4),
            () => "the copy of a pushed blob is counted");
        listener.RecordObservableInstruments();
        Assert.Contains("gateway.bucket.lag ", seen.Keys);

        void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var name = $"{instrument.Name} {(tags.IsEmpty ? "" : tags[0].Value)}";
            seen.AddOrUpdate(name, value, (_, sum) => sum + value);
        }
    }
}
