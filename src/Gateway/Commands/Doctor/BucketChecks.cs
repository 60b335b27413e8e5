using Gateway.Configuration;
using Gateway.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.Commands.Doctor;

/// <summary>The bucket of <c>storage.s3</c>, which is written and read for real.</summary>
internal static class BucketChecks
{
    public static async Task<IReadOnlyList<Finding>> RunAsync(GatewayOptions options, CancellationToken cancellationToken)
    {
        if (options.Storage.S3?.Store() is not { } store) return [];
        var report = await BucketProbe.RunAsync(store, TimeProvider.System, NullLogger.Instance, cancellationToken);
        var about = $"{store.Bucket} at {store.Address}";
        var found = new List<Finding>
        {
            report.State switch
            {
                BucketState.Good => Finding.Ok(
                    "bucket", about,
                    $"objects were written under conditions, read, listed and removed in {report.Took.TotalMilliseconds:0} ms"),
                BucketState.Refused => Finding.Error("BUCKET_REFUSED", about, report.Problem, report.Remedy),
                _ => Finding.Error("BUCKET_UNREACHABLE", about, report.Problem, $"{report.Remedy}; until then pushes are refused"),
            },
        };
        if (report.IsClockOff)
        {
            found.Add(Finding.Warning(
                "BUCKET_CLOCK", about, $"the clock of this machine is {report.Skew.TotalSeconds:0} s ahead of the store's",
                "set the clock by NTP; stores refuse requests from 15 minutes on"));
        }
        return found;
    }
}
