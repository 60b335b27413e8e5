using System.Diagnostics.Metrics;

namespace Gateway.Storage;

/// <summary>Metrics of the logs in a bucket, and of local copies of its content. No label holds a key, a name or a digest.</summary>
internal static class BucketMetrics
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Gateway.Storage.Buckets";

    private static readonly Meter Meter = new(MeterName);

    private static readonly Counter<long> Commits = Meter.CreateCounter<long>(
        "gateway.bucket.commits", description: "Writes of the head of a repository's log, by what became of them.");

    // One conditional write takes some 10 ms in the same region; each conflict adds a read, a check and a pause.
    private static readonly Histogram<double> CommitTime = Meter.CreateHistogram(
        "gateway.bucket.commit.duration", "s", "Time from the check of a change to the answer whether it was made, with all repetitions.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] });

    private static readonly Counter<long> Copies = Meter.CreateCounter<long>(
        "gateway.bucket.copies", description: "Copies of pushed content to the local disk that ended.");

    private static readonly Counter<long> Bytes =
        Meter.CreateCounter<long>("gateway.bucket.copied", "By", "Pushed content that was copied to the local disk.");

    /// <param name="result">
    /// done (the store answered so), looked (the answer was lost, and the head has the change), conflict (another gateway was faster; the
    /// change is checked again), or unknown (the client must push again).
    /// </param>
    public static void Committed(string result) => Commits.Add(1, new KeyValuePair<string, object?>("result", result));

    /// <summary>Records how long it took until the waiting changes of a repository were answered.</summary>
    public static void CommitTook(TimeSpan time) => CommitTime.Record(time.TotalSeconds);

    /// <summary>Counts a copy that was kept.</summary>
    public static void Copied(long bytes)
    {
        Copies.Add(1, new KeyValuePair<string, object?>("result", "done"));
        Bytes.Add(bytes);
    }

    /// <param name="result">skipped (no room), failed (the bucket or the disk), or damaged (other bytes than the digest says).</param>
    public static void NotCopied(string result) => Copies.Add(1, new KeyValuePair<string, object?>("result", result));
}
