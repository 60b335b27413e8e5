using System.Net;
using Amazon.S3;

namespace Gateway.Storage;

/// <summary>Removals that the store refuses when they come late: by addresses that expire.</summary>
internal sealed partial class S3Bucket
{
    // A connection for each request: one that is reused can end before the answer, and the request would be sent again.
    private readonly HttpClient _once;

    private static HttpClient OnceOf(S3Options options) => new(new SocketsHttpHandler
    {
        PooledConnectionLifetime = TimeSpan.Zero, ConnectTimeout = ConnectLimit, AllowAutoRedirect = false,
        SslOptions = { CertificateChainPolicy = S3TrustedClients.PolicyOf(options.CertificateAuthority) },
    })
    {
        Timeout = System.Threading.Timeout.InfiniteTimeSpan,
    };

    /// <exception cref="BucketException">There are no credentials to sign with.</exception>
    public async ValueTask<Func<CancellationToken, ValueTask<bool>>?> PrepareDeleteAsync(
        string key, DateTimeOffset notAfter, CancellationToken cancellationToken)
    {
        // The signature counts whole seconds.
        if (notAfter - _clock.GetUtcNow() < TimeSpan.FromSeconds(1)) return null;
        try
        {
            var address = new Uri(await _client.GetPreSignedURLAsync(new()
            {
                BucketName = _options.Bucket,
                Key = key,
                Verb = HttpVerb.DELETE,
                Expires = notAfter.UtcDateTime,
                Protocol = _options.Endpoint?.Scheme == Uri.UriSchemeHttp ? Protocol.HTTP : Protocol.HTTPS,
            }).WaitAsync(AnswerLimit, _clock, cancellationToken));
            return stop => DeleteAsync(key, address, stop);
        }
        catch (Exception e) when (IsFailure(e) && !cancellationToken.IsCancellationRequested)
        {
            throw S3Errors.Describe(_options, $"signed removal of {key}", AnswerLimit, e);
        }
    }

    private async ValueTask<bool> DeleteAsync(string key, Uri address, CancellationToken cancellationToken)
    {
        var sent = _clock.GetTimestamp();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(AnswerLimit);
        try
        {
            using var answer = await _once.DeleteAsync(address, deadline.Token).ConfigureAwait(false);
            S3Metrics.Answered(S3Operation.Delete, (int)answer.StatusCode, _clock.GetElapsedTime(sent));
            return answer.StatusCode switch
            {
                HttpStatusCode.OK or HttpStatusCode.NoContent or HttpStatusCode.NotFound => true,
                // Too late, or another reason for which nothing was done.
                HttpStatusCode.Forbidden or HttpStatusCode.BadRequest => false,
                // Also 503: a proxy gives it for a request that the store has got.
                // No address: it has a signature.
                _ => throw new IOException($"expected 204 to the removal of {key}, got {(int)answer.StatusCode}"),
            };
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            S3Metrics.Answered(S3Operation.Delete, null, _clock.GetElapsedTime(sent));
            throw new IOException($"expected an answer to the removal of {key} within {AnswerLimit.TotalSeconds:0} s, got none", e);
        }
    }
}
