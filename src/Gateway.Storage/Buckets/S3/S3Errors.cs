using System.Security.Authentication;
using System.Text;
using Amazon.Runtime;

namespace Gateway.Storage;

/// <summary>What the store's answers and failures mean to an operator, and whether a call can be made again.</summary>
internal static class S3Errors
{
    // Of a store's code; those of S3 have at most 40 characters.
    private const int MaxCode = 64;

    /// <summary>
    /// Whether the failure can be over after a moment, so that the same call can succeed. It does not say whether the store did the work.
    /// </summary>
    public static bool IsPassing(Exception failure) => failure switch
    {
        AmazonServiceException answered when answered.StatusCode != 0 => (int)answered.StatusCode is 408 or 429 or >= 500
            || answered.ErrorCode is "SlowDown" or "RequestTimeout" or "OperationAborted" or "RequestLimitExceeded"
            // Ceph answers so to a read beside a write of the same object.
            or "ConcurrentModification"
            // S3 answers 200 before it has joined or copied the parts of an upload, and can fail then.
            or "InternalError",
        _ when Innermost(failure) is AuthenticationException => false, // the store's certificate
        AmazonClientException => false, // no credentials, or no region
        _ => true,
    };

    /// <summary>The HTTP status of the answer; null when there was none.</summary>
    public static int? StatusOf(Exception failure) =>
        failure is AmazonServiceException { StatusCode: not 0 } answered ? (int)answered.StatusCode : null;

    /// <summary>The store's code; empty when there was none. Only letters and digits: it goes into messages.</summary>
    public static string CodeOf(Exception failure)
    {
        if (failure is not AmazonServiceException { ErrorCode: { } code }) return "";
        var kept = new StringBuilder();
        foreach (var c in code.AsSpan(0, Math.Min(code.Length, MaxCode)))
        {
            if (char.IsAsciiLetterOrDigit(c) || c is '.' or '_') kept.Append(c);
        }
        return kept.ToString();
    }

    /// <summary>The message for an operator.</summary>
    /// <param name="call">The call and its key, such as <c>PUT gateway/format</c>.</param>
    /// <param name="limit">How long the store had time to answer.</param>
    public static BucketException Describe(S3Options options, string call, TimeSpan limit, Exception failure)
    {
        var (status, code) = (StatusOf(failure), CodeOf(failure));
        var (got, remedy) = status is not null
            ? ($"{status} {code}".TrimEnd(), RemedyFor(options, status.Value, code))
            : Unanswered(options, limit, failure);
        // Without the cause: the exceptions of answers have what the store wrote, which can repeat the access key or what was signed.
        return new(options.Name, $"{call}: expected success, got {got}", remedy, status, code);
    }

    private static string RemedyFor(S3Options options, int status, string code) => (status, code) switch
    {
        (_, "InvalidAccessKeyId" or "SignatureDoesNotMatch" or "InvalidToken") => options.AccessKeyFile is { } file
            ? $"correct the keys in {file} and {options.SecretKeyFile}"
            : "correct the credentials of this machine's environment or role",
        (_, "ExpiredToken" or "TokenRefreshRequired") => "renew the credentials",
        (_, "RequestTimeTooSkewed") => "set the clock of this machine",
        // Ceph answers 403 and QuotaExceeded; MinIO has longer codes, with 400 and 507.
        _ when code.EndsWith("QuotaExceeded", StringComparison.Ordinal) || code.EndsWith("StorageFull", StringComparison.Ordinal) =>
            "raise the bucket's quota, or free space in the store",
        (403, _) => "allow the access key to read, write, delete and list in this bucket",
        (404, "NoSuchBucket") => "create the bucket, or correct storage.s3.bucket",
        (404, "NoSuchUpload") => "the multipart upload has ended; begin another one",
        (301 or 307, _) or (400, "AuthorizationHeaderMalformed" or "IllegalLocationConstraintException" or "PermanentRedirect") =>
            "set storage.s3.region to the bucket's region, and storage.s3.endpoint to its address",
        (400 or 501, "InvalidRequest" or "NotImplemented" or "XAmzContentSHA256Mismatch") when options.Checksums == S3Checksums.On =>
            "set storage.s3.checksums to auto or off if the store supports no checksums",
        (429 or >= 500, _) or (_, "InternalError") => "the store is overloaded or has a fault; the gateway tries again with later requests",
        _ => "look up the code in the documentation of the store",
    };

    private static (string Got, string Remedy) Unanswered(S3Options options, TimeSpan limit, Exception failure) => failure switch
    {
        OperationCanceledException or TimeoutException =>
            ($"no answer within {limit.TotalSeconds:0} s", "check the network and the load of the store"),
        _ when Innermost(failure) is AuthenticationException tls => (FirstLine(tls.Message), RemedyFor(options, tls.Message)),
        AmazonClientException when options.AccessKeyFile is null =>
            ("no credentials", "set storage.s3.accessKeyFile and secretKeyFile, or give this machine credentials that the AWS SDK finds"),
        IOException or UnauthorizedAccessException when IsFile(failure, options) =>
            (failure.Message, $"make {options.AccessKeyFile} and {options.SecretKeyFile} readable"),
        _ => (FirstLine(Innermost(failure).Message), "check that the store runs and that storage.s3.endpoint is its address"),
    };

    // The runtime's message names what is wrong with the certificate.
    private static string RemedyFor(S3Options options, string handshake)
    {
        if (!handshake.Contains("certificate", StringComparison.OrdinalIgnoreCase))
            return "check that the store speaks TLS at storage.s3.endpoint; otherwise write http instead of https";
        if (handshake.Contains("NotTimeValid", StringComparison.Ordinal)) return "renew the store's certificate, or set the clock";
        if (handshake.Contains("NameMismatch", StringComparison.Ordinal))
            return "set storage.s3.endpoint to a name that the store's certificate has";
        return options.CertificateAuthority is { } file
            ? $"write the authority that signed the store's certificate into {file}, and restart the gateway"
            : "set storage.s3.certificateAuthority to a PEM file of the authority that signed the store's certificate";
    }

    private static bool IsFile(Exception failure, S3Options options) =>
        options.AccessKeyFile is { } access && failure.Message.Contains(access, StringComparison.Ordinal)
        || options.SecretKeyFile is { } secret && failure.Message.Contains(secret, StringComparison.Ordinal);

    private static Exception Innermost(Exception failure)
    {
        while (failure.InnerException is { } inner) failure = inner;
        return failure;
    }

    private static string FirstLine(string text) => text.AsSpan().IndexOfAny('\r', '\n') is >= 0 and var end ? text[..end] : text;
}
