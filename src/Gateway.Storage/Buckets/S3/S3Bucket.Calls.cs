using Amazon.S3;

namespace Gateway.Storage;

/// <summary>How a call is made: deadlines, repeats, and what each failure becomes.</summary>
internal sealed partial class S3Bucket
{
    /// <summary>Attempts of a call that can be repeated. Chosen: three repeats outlast a broken connection and a short overload.</summary>
    private const int Attempts = 4;

    /// <summary>After this time, no other attempt begins. Chosen: a client that waits for its push has an answer within seconds.</summary>
    private static readonly TimeSpan AttemptsEnd = TimeSpan.FromSeconds(5);

    /// <summary>Mean wait before the first repeat; it doubles with each. AWS recommends full jitter, which this has.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);

    private TimeSpan AnswerLimit => _options.AnswerLimit;

    /// <summary>Longest wait for the answer to a completion: S3 documents minutes for many parts.</summary>
    private static readonly TimeSpan CompletionLimit = TimeSpan.FromMinutes(3);

    /// <summary>Slowest link that is supported: bytes of a written body for each second beyond the limit of an answer.</summary>
    private const long LeastBytesPerSecond = 256 << 10;

    /// <summary>Calls the store, and again where the call can be repeated.</summary>
    /// <param name="mayRepeat">
    /// Whether the call does the same when it is made twice. A conditional write does not: when its first answer was lost, the second
    /// attempt would be refused because of the first.
    /// </param>
    /// <param name="limit">Longest wait for the answer of one attempt.</param>
    /// <exception cref="BucketException">The store refused, or did not answer.</exception>
    private async ValueTask<T> CallAsync<T>(
        S3Operation operation, string key, bool mayRepeat, TimeSpan limit,
        Func<IAmazonS3, CancellationToken, Task<T>> send, CancellationToken cancellationToken)
    {
        var began = _clock.GetTimestamp();
        var hasNewKeys = false;
        for (var attempt = 1; ; attempt++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (sent, keys) = (_clock.GetTimestamp(), _files?.Version ?? 0);
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            deadline.CancelAfter(limit);
            try
            {
                var answer = await send(_client, deadline.Token).ConfigureAwait(false);
                S3Metrics.Answered(operation, 200, _clock.GetElapsedTime(sent));
                return answer;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && IsFailure(e))
            {
                var status = S3Errors.StatusOf(e);
                S3Metrics.Answered(operation, status, _clock.GetElapsedTime(sent));
                // The store did nothing, so the call can be made again whatever it does. Only once: the new keys can be wrong, too.
                if (status == 403 && !hasNewKeys && _files?.HasOthersThan(keys) == true)
                {
                    hasNewKeys = true;
                    Log.BucketKeysRead(_logger, _options.Bucket);
                    continue;
                }
                if (!mayRepeat || attempt == Attempts || !S3Errors.IsPassing(e) || _clock.GetElapsedTime(began) >= AttemptsEnd)
                    throw S3Errors.Describe(_options, $"{S3Metrics.NameOf(operation)} {key}", limit, e);
            }
            await Task.Delay(Pause(attempt), _clock, cancellationToken).ConfigureAwait(false);
        }
    }

    // The SDK throws whatever its parsers throw on an answer that is not one of S3, such as a proxy's page.
    private static bool IsFailure(Exception failure) => failure is not (InvalidDataException or BucketException);

    // From nothing to twice the mean, so that writers that failed together do not come back together.
    private static TimeSpan Pause(int attempt) => FirstPause * (1 << (attempt - 1)) * (Random.Shared.NextDouble() * 2);

    private TimeSpan LimitFor(int bytes) => AnswerLimit + TimeSpan.FromSeconds((double)bytes / LeastBytesPerSecond);
}
