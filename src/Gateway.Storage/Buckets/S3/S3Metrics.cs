using System.Diagnostics.Metrics;
using System.Globalization;

namespace Gateway.Storage;

/// <summary>Metrics of requests to a bucket. No label holds a key.</summary>
internal static class S3Metrics
{
    public const string MeterName = "Gateway.Storage.S3";

    private static readonly Meter Meter = new(MeterName);

    private static readonly Counter<long> Requests =
        Meter.CreateCounter<long>("gateway.s3.requests", description: "Requests to the bucket, each attempt counted.");

    // A store in the same region answers in 2 to 100 ms; a large part takes seconds.
    private static readonly Histogram<double> Time = Meter.CreateHistogram(
        "gateway.s3.duration", "s", "Time until the bucket answered a request, without the reading of a streamed body.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] });

    /// <param name="code">The HTTP status; null when there was no answer.</param>
    public static void Answered(S3Operation operation, int? code, TimeSpan time)
    {
        var op = new KeyValuePair<string, object?>("op", NameOf(operation));
        Requests.Add(1, op, new("code", code?.ToString(CultureInfo.InvariantCulture) ?? "none"));
        Time.Record(time.TotalSeconds, op);
    }

    /// <summary>The operation's name in labels and messages.</summary>
    public static string NameOf(S3Operation operation) => operation switch
    {
        S3Operation.Get => "get",
        S3Operation.Put => "put",
        S3Operation.Delete => "delete",
        S3Operation.List => "list",
        S3Operation.CreateMultipart => "create_multipart",
        S3Operation.UploadPart => "upload_part",
        S3Operation.CopyPart => "copy_part",
        S3Operation.CompleteMultipart => "complete_multipart",
        _ => "abort_multipart",
    };
}

/// <summary>A request to a bucket.</summary>
internal enum S3Operation
{
    Get, Put, Delete, List, CreateMultipart, UploadPart, CopyPart, CompleteMultipart, AbortMultipart,
}
