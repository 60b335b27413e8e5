using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace Gateway.Storage;

/// <summary>
/// A bucket in a store with the S3 protocol, by the AWS SDK. The SDK makes, signs and reads requests; deadlines and repeats are decided
/// here, because only this side knows which call does the same when it is made twice.
/// </summary>
internal sealed partial class S3Bucket : IBucket, IDisposable
{
    // Chosen: a store in reach accepts a connection within a second.
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(3);

    private readonly S3Options _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly S3Credentials? _files;
    private readonly AmazonS3Client _client;
    private volatile bool _hasChecksums;

    private S3Bucket(S3Options options, TimeProvider clock, ILogger logger)
    {
        (_options, _clock, _logger, _once) = (options, clock, logger, OnceOf(options));
        _hasChecksums = options.Checksums != S3Checksums.Off;
        if (options is { AccessKeyFile: { } accessKey, SecretKeyFile: { } secretKey }) _files = new(accessKey, secretKey, clock);
        var config = new AmazonS3Config
        {
            AuthenticationRegion = options.Region ?? S3Options.DefaultRegion,
            ForcePathStyle = options.IsPathStyle,
            ConnectTimeout = ConnectLimit,
            // Each attempt has its own deadline.
            Timeout = System.Threading.Timeout.InfiniteTimeSpan,
            // The SDK sends a request again when a connection breaks, also a conditional write that the store may have done.
            MaxErrorRetry = 0,
            MaxStaleConnectionRetries = 0,
            // Trailers, which the SDK adds otherwise, are not understood by every store.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            DisableLogging = true,
        };
        if (options.CertificateAuthority is { } authority) config.HttpClientFactory = new S3TrustedClients(authority, ConnectLimit);
        if (options.Endpoint is { } endpoint) config.ServiceURL = endpoint.ToString();
        else config.RegionEndpoint = Amazon.RegionEndpoint.GetBySystemName(config.AuthenticationRegion);
        _client = _files is null ? new(config) : new(_files, config);
        _client.AfterResponseEvent += NoteTime;
    }

    public int MinPart => 5 << 20;

    /// <summary>Makes the client of a bucket. The store is not asked.</summary>
    public static S3Bucket Open(S3Options options, TimeProvider clock, ILogger logger) => new(options, clock, logger);

    /// <remarks>
    /// The answer to HEAD has no body, so it does not tell a missing object from a missing bucket. The first byte is read instead.
    /// </remarks>
    public async ValueTask<ObjectFacts?> HeadAsync(string key, CancellationToken cancellationToken)
    {
        var body = await OpenAsync(key, 0, 1, cancellationToken);
        if (body is null) return null;
        await using (body) return body.Facts;
    }

    public async ValueTask<SmallObject> ReadAsync(string key, int most, string? unlessETag, CancellationToken cancellationToken)
    {
        try
        {
            return await CallAsync(S3Operation.Get, key, mayRepeat: true, LimitFor(most), ReadAsync, cancellationToken);
        }
        catch (BucketException e) when (e.Status == 304)
        {
            return new(unlessETag, default, IsUnchanged: true);
        }
        catch (BucketException e) when (e.Status == 416)
        {
            // The object is empty.
            var whole = await WholeFactsAsync(key, cancellationToken);
            return whole is null ? default : new(whole.Facts.ETag, default, IsUnchanged: false);
        }
        catch (BucketException e) when (IsAbsent(e))
        {
            return default;
        }

        async Task<SmallObject> ReadAsync(IAmazonS3 client, CancellationToken ending)
        {
            using var answer = await client.GetObjectAsync(
                new GetObjectRequest
                {
                    BucketName = _options.Bucket, Key = key, ByteRange = RangeOf(0, most + 1L), EtagToNotMatch = unlessETag,
                },
                ending);
            if (FactsOf(answer).Length is var length && length > most)
                throw new InvalidDataException($"expected at most {most} bytes in {key}, got {length}");
            var bytes = new byte[answer.ContentLength];
            await answer.ResponseStream.ReadExactlyAsync(bytes, ending);
            return new(answer.ETag, bytes, IsUnchanged: false);
        }
    }

    public async ValueTask<ObjectBody?> OpenAsync(string key, long offset, long? count, CancellationToken cancellationToken)
    {
        // A range of no bytes cannot be written in HTTP. The object's facts come with any other.
        if (count == 0) return await FactsOnlyAsync(key, cancellationToken);
        try
        {
            var answer = await CallAsync(
                S3Operation.Get, key, mayRepeat: true, AnswerLimit,
                (client, ending) => client.GetObjectAsync(
                    new GetObjectRequest { BucketName = _options.Bucket, Key = key, ByteRange = RangeOf(offset, count) }, ending),
                cancellationToken);
            var body = new S3Body(answer.ResponseStream, answer, answer.ContentLength, _options.BodyLimit, () => Cut(key));
            return new(body, FactsOf(answer));
        }
        catch (BucketException e) when (e.Status == 416)
        {
            // The range begins at the end of the object, or the object is empty.
            return await WholeFactsAsync(key, cancellationToken);
        }
        catch (BucketException e) when (IsAbsent(e))
        {
            return null;
        }
    }

    private async ValueTask<ObjectBody?> FactsOnlyAsync(string key, CancellationToken cancellationToken) =>
        await HeadAsync(key, cancellationToken) is { } facts ? new(Stream.Null, facts) : null;

    // For an object of which a range cannot be read; that it exists is known.
    private async ValueTask<ObjectBody?> WholeFactsAsync(string key, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await CallAsync(
                S3Operation.Get, key, mayRepeat: true, AnswerLimit,
                (client, ending) => client.GetObjectMetadataAsync(_options.Bucket, key, ending), cancellationToken);
            return new(Stream.Null, new(answer.ETag, answer.ContentLength, TimeOf(answer.LastModified)));
        }
        catch (BucketException e) when (e.Status == 404)
        {
            return null;
        }
    }

    private BucketException Cut(string key) => new(
        _options.Name,
        $"get {key}: expected all bytes of the object, got none for {_options.BodyLimit.TotalSeconds:0} s or an early end",
        "check the network and the load of the store", null, "");

    public async ValueTask<string> PutAsync(
        string key, ReadOnlyMemory<byte> bytes, PutCondition condition, CancellationToken cancellationToken)
    {
        var isConditional = condition.IsAbsent || condition.ETag is not null;
        try
        {
            if (!_hasChecksums) return await SendAsync(checksum: false);
            try
            {
                return await SendAsync(checksum: true);
            }
            // A store that does not know the header refuses the request before it does anything.
            catch (BucketException e) when (_options.Checksums == S3Checksums.Auto && e.Status is 400 or 501)
            {
                var etag = await SendAsync(checksum: false);
                _hasChecksums = false;
                Log.BucketHasNoChecksums(_logger, _options.Bucket, e.Code);
                return etag;
            }
        }
        // 409: a write beside another one, which AWS and Ceph refuse. 404: If-Match of what does not exist.
        catch (BucketException e) when (isConditional && e.Status is 412 or 409 || condition.ETag is not null && IsAbsent(e))
        {
            throw new PreconditionFailedException(key);
        }

        ValueTask<string> SendAsync(bool checksum) => CallAsync(
            S3Operation.Put, key, mayRepeat: !isConditional, LimitFor(bytes.Length),
            async (client, ending) => (await client.PutObjectAsync(RequestOf(checksum), ending)).ETag, cancellationToken);

        PutObjectRequest RequestOf(bool checksum) => new()
        {
            BucketName = _options.Bucket,
            Key = key,
            InputStream = StreamOf(bytes),
            // One signature over all bytes, without framing that some stores keep in the object.
            UseChunkEncoding = false,
            ChecksumCRC32C = checksum ? ChecksumOf(bytes.Span) : null,
            IfNoneMatch = condition.IsAbsent ? "*" : null,
            IfMatch = condition.ETag,
        };
    }

    public async ValueTask DeleteAsync(string key, CancellationToken cancellationToken)
    {
        try
        {
            await CallAsync(
                S3Operation.Delete, key, mayRepeat: true, AnswerLimit,
                (client, ending) => client.DeleteObjectAsync(_options.Bucket, key, ending), cancellationToken);
        }
        catch (BucketException e) when (IsAbsent(e))
        {
            // Some stores say so; S3 answers 204.
        }
    }

    /// <exception cref="BucketException">There are no credentials to sign with.</exception>
    public async ValueTask<Uri?> SignAsync(string key, TimeSpan validFor, string? contentType, CancellationToken cancellationToken)
    {
        try
        {
            return new(await _client.GetPreSignedURLAsync(new()
            {
                BucketName = _options.Bucket,
                Key = key,
                Expires = _clock.GetUtcNow().UtcDateTime + validFor,
                ResponseHeaderOverrides = new() { ContentType = contentType },
                Protocol = _options.Endpoint?.Scheme == Uri.UriSchemeHttp ? Protocol.HTTP : Protocol.HTTPS,
            }).WaitAsync(AnswerLimit, _clock, cancellationToken));
        }
        catch (Exception e) when (IsFailure(e) && !cancellationToken.IsCancellationRequested)
        {
            throw S3Errors.Describe(_options, $"signed address of {key}", AnswerLimit, e);
        }
    }

    public void Dispose()
    {
        _client.Dispose();
        _once.Dispose();
    }

    private static bool IsAbsent(BucketException e) => e is { Status: 404, Code: not "NoSuchBucket" };

    // Also for the whole object: of an answer without a range, the SDK takes the ETag for an MD5, hashes all bytes, and fails where a store
    // makes its ETags otherwise.
    private static ByteRange RangeOf(long offset, long? count) => count switch
    {
        null => new($"bytes={offset.ToString(CultureInfo.InvariantCulture)}-"),
        // The SDK's range has an inclusive end.
        _ => new(offset, offset > long.MaxValue - count.Value ? long.MaxValue : offset + count.Value - 1),
    };

    // Of the whole object, also when the answer has a range: "bytes 0-9/1000".
    private static ObjectFacts FactsOf(GetObjectResponse answer)
    {
        var length = answer.ContentRange is { } range && range.LastIndexOf('/') is >= 0 and var slash
            && long.TryParse(range.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var whole)
            ? whole
            : answer.ContentLength;
        return new(answer.ETag, length, TimeOf(answer.LastModified));
    }

    private static DateTimeOffset TimeOf(DateTime? time) => time is { } known ? new(known.ToUniversalTime()) : default;

    private static MemoryStream StreamOf(ReadOnlyMemory<byte> bytes) => MemoryMarshal.TryGetArray(bytes, out var array)
        ? new(array.Array!, array.Offset, array.Count, writable: false)
        : new(bytes.ToArray(), writable: false);

    private static string ChecksumOf(ReadOnlySpan<byte> bytes)
    {
        Span<byte> sum = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(sum, Crc32C.Of(bytes));
        return Convert.ToBase64String(sum);
    }
}
