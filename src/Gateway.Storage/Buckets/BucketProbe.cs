using System.Diagnostics;

namespace Gateway.Storage;

/// <summary>
/// Tries whether several gateways can share a bucket: it writes small objects below <c>gateway/probe/</c>, and removes them. Every commit
/// rests on conditional writes, so a store that ignores or refuses them is not used.
/// </summary>
public static class BucketProbe
{
    // Chosen: more racing writers find a store that checks conditions before it locks, and cost nothing.
    private const int Racers = 8;

    // A store can refuse all writers of a race that it notices; it must not do that again and again.
    private const int Races = 3;

    // Chosen: the start of a gateway does not wait long for a store that failed a call before.
    private static readonly TimeSpan RemovalLimit = TimeSpan.FromSeconds(2);

    // S3 refuses requests whose date differs by 15 minutes.
    private static readonly TimeSpan MostSkew = TimeSpan.FromMinutes(5);

    /// <summary>Tries a bucket for real.</summary>
    public static async Task<BucketReport> RunAsync(
        S3Options options, TimeProvider clock, ILogger logger, CancellationToken cancellationToken)
    {
        using var bucket = S3Bucket.Open(options, clock, logger);
        return await RunAsync(bucket, options.Prefix, clock, cancellationToken);
    }

    /// <summary>Tries a bucket for real.</summary>
    internal static async Task<BucketReport> RunAsync(
        IBucket bucket, string prefix, TimeProvider clock, CancellationToken cancellationToken)
    {
        var (run, began) = (new Run(bucket, $"{prefix}gateway/probe/{Guid.NewGuid():N}/", clock), Stopwatch.GetTimestamp());
        BucketReport report;
        try
        {
            report = await run.TryAsync(cancellationToken) is { } refusal
                ? new(
                    BucketState.Refused, refusal, "use a store with conditional writes (docs/buckets.md has a list), or remove storage.s3")
                : new(BucketState.Good, "", "");
        }
        catch (BucketException e)
        {
            report = new(BucketState.Unreachable, e.Problem, e.Remedy);
        }
        catch (IOException e)
        {
            report = new(BucketState.Unreachable, e.Message, "check that the store runs");
        }
        await run.RemoveAsync(report.State == BucketState.Unreachable ? RemovalLimit : Timeout.InfiniteTimeSpan, cancellationToken);
        return report with { Took = Stopwatch.GetElapsedTime(began), Skew = run.Skew, IsClockOff = run.Skew.Duration() > MostSkew };
    }

    /// <summary>One run, with keys of its own.</summary>
    private sealed class Run(IBucket bucket, string folder, TimeProvider clock)
    {
        private readonly HashSet<string> _written = [];

        /// <summary>By how much the clock of this machine is ahead of the store's.</summary>
        public TimeSpan Skew { get; private set; }

        /// <summary>Why the bucket cannot be shared; null if it can.</summary>
        public async Task<string?> TryAsync(CancellationToken cancellationToken) =>
            await CreateAsync(cancellationToken) ?? await ReplaceAsync(cancellationToken)
            ?? await RaceAsync("create", _ => PutCondition.Absent, cancellationToken)
            ?? await RaceAsync("replace", etag => PutCondition.Match(etag), cancellationToken)
            ?? await MultipartAsync(cancellationToken);

        /// <summary>Removes what was written. What a failure leaves is small, and is named as a probe's.</summary>
        public async Task RemoveAsync(TimeSpan most, CancellationToken cancellationToken)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(most);
            try
            {
                foreach (var key in _written) await bucket.DeleteAsync(key, limit.Token);
            }
            catch (Exception e) when (e is IOException || e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                // The report has the first failure.
            }
        }

        private async Task<string?> CreateAsync(CancellationToken cancellationToken)
        {
            const string Key = "create";
            var etag = await MustPutAsync(Key, "1", PutCondition.Absent, cancellationToken);
            if (etag is null) return "expected a new object to be created with If-None-Match: *, got a refusal";
            // The store has whole seconds; half a second is the mean of what it cuts off.
            var now = clock.GetUtcNow();
            if (await bucket.HeadAsync(folder + Key, cancellationToken) is not { } facts) return Stale("a read");
            Skew = now - facts.Written - TimeSpan.FromSeconds(0.5);
            if (await TextAsync(Key, cancellationToken) != "1") return Stale("a read");
            if (!await IsListedAsync(Key, cancellationToken)) return Stale("a list");
            if (await MustPutAsync(Key, "2", PutCondition.Absent, cancellationToken) is not null)
                return "expected If-None-Match: * to refuse an object that exists, got success: the store ignores the condition";
            return await TextAsync(Key, cancellationToken) == "1" ? null : "expected a refused write to change nothing, got other bytes";
        }

        private async Task<string?> ReplaceAsync(CancellationToken cancellationToken)
        {
            const string Key = "replace";
            var first = (await MustPutAsync(Key, "1", PutCondition.Absent, cancellationToken))!;
            if (await MustPutAsync(Key, "2", PutCondition.Match(first), cancellationToken) is null)
                return "expected If-Match with the object's ETag to replace it, got a refusal";
            if (await MustPutAsync(Key, "3", PutCondition.Match(first), cancellationToken) is not null)
                return "expected If-Match with an earlier ETag to be refused, got success: the store ignores the condition";
            if (await TextAsync(Key, cancellationToken) != "2") return Stale("a read");
            if (await MustPutAsync("absent", "1", PutCondition.Match(first), cancellationToken) is not null)
                return "expected If-Match to refuse an object that does not exist, got success: the store ignores the condition";
            await bucket.DeleteAsync(folder + Key, cancellationToken);
            return await bucket.HeadAsync(folder + Key, cancellationToken) is null ? null : Stale("a read after a delete");
        }

        private async Task<string?> RaceAsync(string name, Func<string, PutCondition> condition, CancellationToken cancellationToken)
        {
            for (var race = 1; race <= Races; race++)
            {
                var key = $"race-{name}-{race}";
                var seed = PutCondition.Absent == condition("") ? "" : await MustPutAsync(key, "0", PutCondition.Absent, cancellationToken);
                var etags = await Task.WhenAll(Enumerable.Range(1, Racers).Select(
                    number => MustPutAsync(key, $"{number}", condition(seed!), cancellationToken)));
                var winners = etags.Count(etag => etag is not null);
                if (winners > 1) return $"expected one of {Racers} racing conditional writes to succeed ({name}), got {winners}";
                if (winners == 1)
                {
                    return await TextAsync(key, cancellationToken) == $"{Array.FindIndex(etags, etag => etag is not null) + 1}"
                        ? null
                        : $"expected the bytes of the one write that succeeded ({name}), got others";
                }
            }
            return $"expected one of {Racers} racing conditional writes to succeed ({name}), got none in {Races} races";
        }

        private async Task<string?> MultipartAsync(CancellationToken cancellationToken)
        {
            var (from, to) = ($"{folder}part", $"{folder}whole");
            await MustPutAsync("part", "multipart", PutCondition.None, cancellationToken);
            _written.Add(to);
            var id = await bucket.CreateMultipartAsync(to, cancellationToken);
            var etag = await bucket.CopyPartAsync(to, id, 1, from, cancellationToken);
            await bucket.CompleteMultipartAsync(to, id, [(1, etag)], cancellationToken);
            return await TextAsync("whole", cancellationToken) == "multipart" ? null : Stale("a read after a multipart upload");
        }

        /// <summary>Null if the condition was refused.</summary>
        private async Task<string?> MustPutAsync(
            string key, string text, PutCondition condition, CancellationToken cancellationToken)
        {
            lock (_written) _written.Add(folder + key);
            try
            {
                return await bucket.PutAsync(folder + key, System.Text.Encoding.ASCII.GetBytes(text), condition, cancellationToken);
            }
            catch (PreconditionFailedException)
            {
                return null;
            }
        }

        private async Task<string> TextAsync(string key, CancellationToken cancellationToken)
        {
            var read = await bucket.ReadAsync(folder + key, most: 64, unlessETag: null, cancellationToken);
            return System.Text.Encoding.ASCII.GetString(read.Bytes.Span);
        }

        private async Task<bool> IsListedAsync(string key, CancellationToken cancellationToken)
        {
            await foreach (var found in bucket.ListAsync(folder, after: null, cancellationToken))
            {
                if (found.Key == folder + key) return true;
            }
            return false;
        }

        private static string Stale(string read) => $"expected {read} to show the write before it, got an earlier state";
    }
}

/// <summary>What a probe found.</summary>
public enum BucketState
{
    /// <summary>Several gateways can share the bucket.</summary>
    Good,

    /// <summary>The store does not do what a commit rests on.</summary>
    Refused,

    /// <summary>A call did not succeed: nothing is known of the store.</summary>
    Unreachable,
}

/// <summary>The report of a probe.</summary>
/// <param name="Problem">What was expected and received; empty if the bucket is good.</param>
/// <param name="Remedy">What to do; empty if the bucket is good.</param>
public sealed record BucketReport(BucketState State, string Problem, string Remedy)
{
    /// <summary>By how much the clock of this machine is ahead of the store's, to a second.</summary>
    public TimeSpan Skew { get; init; }

    /// <summary>How long the probe took.</summary>
    public TimeSpan Took { get; init; }

    /// <summary>Whether the clocks differ by more than 5 minutes. From 15 minutes on, stores refuse requests.</summary>
    public bool IsClockOff { get; init; }
}
