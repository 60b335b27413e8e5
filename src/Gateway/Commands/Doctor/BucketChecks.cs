using Gateway.Configuration;
using Gateway.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.Commands.Doctor;

/// <summary>The bucket of <c>storage.s3</c>, which is written and read for real.</summary>
internal static class BucketChecks
{
    // Chosen: some hundreds of repositories; the finding says how many.
    private static readonly TimeSpan ComparesFor = TimeSpan.FromSeconds(10);

    /// <summary>Tries the store.</summary>
    public static async Task<IReadOnlyList<Finding>> RunAsync(GatewayOptions options, CancellationToken cancellationToken)
    {
        if (options.Storage.S3?.Store is not { } store) return [];
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
        // Without accounts, every client may push, and gets the bytes from the gateway.
        if (options is { Access: not null, Storage.S3: { RedirectsSigned: true, Store.Endpoint: { } endpoint } }
            && WhyNotForClients(endpoint, options.PublicUrl) is { } why)
        {
            found.Add(Finding.Warning(
                "REDIRECT_ADDRESS", about, $"storage.s3.redirect sends clients to {endpoint.Host} for large blobs, {why}",
                "write a name that every client resolves, and that is not the gateways', in storage.s3.endpoint, or set redirect to off"));
        }
        if (options is { Access: not null, TokenKeyFile: null })
        {
            found.Add(Finding.Warning(
                "TOKENS_NOT_SHARED", about, "a token that one gateway issues is refused by the others that share the bucket",
                "for more than one gateway, add access.tokenKeyFile with the same secret on each"));
        }
        return found;
    }

    /// <summary>Why clients on other machines cannot use the address of a store; null when nothing speaks against it.</summary>
    /// <param name="gateways">The address by which clients reach the gateways; null when it is not known.</param>
    internal static string? WhyNotForClients(Uri endpoint, Uri? gateways)
    {
        var name = endpoint.IdnHost;
        if (endpoint.IsLoopback || name.EndsWith(".localhost", StringComparison.Ordinal)) return "which each client takes for itself";
        if (gateways?.IdnHost == name) return "which is also the gateways' name: clients send their token along, and the store refuses it";
        if (endpoint.HostNameType != UriHostNameType.Dns) return null;
        return !name.Contains('.', StringComparison.Ordinal) ? "a name without a domain, which only machines near the store resolve"
            : name.Split('.') is [.., "svc"] or [.., "svc", "cluster", "local"] ? "which only pods of its cluster resolve, and nodes do not"
            : null;
    }

    /// <summary>Compares the bucket with the logs of the gateways: it reads, and writes nothing.</summary>
    public static async Task<IReadOnlyList<Finding>> CompareAsync(GatewayOptions options, CancellationToken cancellationToken)
    {
        if (options.Storage.S3?.Store is not { } store) return [];
        var about = $"{store.Bucket} at {store.Address}";
        BucketReviewed review;
        try
        {
            review = await BucketReview.RunAsync(store, ComparesFor, TimeProvider.System, NullLogger.Instance, cancellationToken);
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            return [Finding.Warning("BUCKET_UNREACHABLE", about, e.Message, "correct that, and run gateway doctor again")];
        }
        var found = new List<Finding>();
        if (review.Unreadable is [var first, ..])
        {
            found.Add(Finding.Error(
                "BUCKET_LOG", about,
                $"the logs of {review.Unreadable.Count} repositories cannot be read, so they are answered 503: {first}",
                "correct that, and run gateway doctor again"));
        }
        if (review.Foreign > 0)
        {
            var unread = review.NotRead == 0 ? "" : $"; {review.NotRead} more tags were not compared, because there are too many";
            found.Add(Finding.Warning(
                "BUCKET_FOREIGN", about,
                $"another program stored {review.Foreign} tags and manifests that no gateway has, such as "
                + string.Join(", ", review.ForeignExamples) + unread,
                "stop that program, and push them again through a gateway"));
        }
        if (review.Unadopted is { Count: > 0 } unadopted)
        {
            found.Add(Finding.Warning(
                "BUCKET_UNLISTED", about,
                $"another program stored {unadopted.Count} repositories that no catalog has, such as "
                + string.Join(", ", unadopted.Take(BucketReview.MostExamples)),
                "stop that program, and list the tags of each once; its first use adds it to the catalog"));
        }
        if (review.Skipped > 0)
        {
            found.Add(Finding.Warning(
                "BUCKET_SKIPPED", about,
                $"{review.Skipped} repositories were adopted without objects that cannot be read; they are listed in "
                + string.Join(", ", review.SkippedExamples),
                "push again what is missing, and remove these lists"));
        }
        if (found.Count == 0 && review.All > 0)
        {
            found.Add(Finding.Ok(
                "bucket", about, $"the links of {review.Compared} of {review.All} repositories are those that gateways stored"));
        }
        // No warning: with a store whose ETags are not those of the bytes, all tags of a repository would have to be read.
        if (review is { NotRead: > 0, Foreign: 0 })
        {
            found.Add(Finding.Ok(
                "bucket", about,
                $"{review.NotRead} tags were not compared, because there are too many: those of another program among them are not found"));
        }
        return found;
    }
}
