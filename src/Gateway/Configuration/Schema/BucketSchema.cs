using Gateway.Storage;

namespace Gateway.Configuration;

/// <summary>The <c>storage.s3</c> section.</summary>
internal static class BucketSchema
{
    // S3's documented limits of a bucket's name.
    private const int LeastName = 3;
    private const int MostName = 63;

    // Chosen: a key has 1,024 bytes at most (S3's documented limit), of which the layout needs up to 700 for the longest repository name.
    private const int MostPrefix = 256;

    // Chosen: longer than any outage that pulls should outlast, and short enough that a revoked image ends within a day.
    private static readonly TimeSpan MostStale = TimeSpan.FromHours(24);

    private static readonly Scalar<string> Name = Scalars.Matching(
        "a bucket's name: 3 to 63 letters in lower case, digits, '-', '.' and '_'",
        text => text.Length is >= LeastName and <= MostName && text.All(c => IsName(c) && !char.IsAsciiLetterUpper(c)));

    private static readonly Scalar<string> Region = Scalars.Matching(
        "a region such as eu-central-1",
        text => text.Length is > 0 and <= MostName && text.All(c => char.IsAsciiLetterOrDigit(c) || c == '-'));

    private static readonly Scalar<string> Prefix = new(
        "names of letters, digits, '-', '.' and '_', separated by '/', such as registry/images", (text, _) => PrefixOf(text));

    private static readonly Scalar<TimeSpan> Stale = new(
        "a duration from 0s to 24h",
        (text, _) => Durations.TryParse(text, out var time) && time >= TimeSpan.Zero && time <= MostStale ? time : Parsed<TimeSpan>.Not());

    public static readonly Section<BucketOptions> Bucket = new(() => new(), Check)
    {
        { "bucket", Name, new Required(), "The bucket. It must exist.", (o, v) => o with { Store = o.Store with { Bucket = v } } },
        {
            "endpoint", Addresses.Endpoint, "(AWS in `region`)", "Address of the store. `http` only in a network that you trust.",
            (o, v) => o with { Store = o.Store with { Endpoint = v } }
        },
        {
            "region", Region, "(`us-east-1` with `endpoint`)", "Region of the bucket, for which requests are signed. AWS needs it.",
            (o, v) => o with { Store = o.Store with { Region = v } }
        },
        {
            "prefix", Prefix, "(none)",
            "What every key begins with; the `rootdirectory` of a registry:2 or registry:3 whose bucket is served.",
            (o, v) => o with { Store = o.Store with { Prefix = v } }
        },
        {
            "pathStyle", Scalars.Switch, "(`true` with `endpoint`)",
            "Whether addresses have the bucket in the path: `true` for most stores; `false` if its name is part of the host name.",
            (o, v) => o with { Store = o.Store with { PathStyle = v } }
        },
        {
            "accessKeyFile", Scalars.ReadableFile, "(none: the environment, the instance's role or a web identity)",
            "File with the access key, in one line; read again every 5 s.", (o, v) => o with { Store = o.Store with { AccessKeyFile = v } }
        },
        {
            "secretKeyFile", Scalars.ReadableFile, "(none)", "File with the secret key, in one line; read again every 5 s.",
            (o, v) => o with { Store = o.Store with { SecretKeyFile = v } }
        },
        {
            "certificateAuthority", Scalars.ReadableFile, "(the system's)", "PEM file of the authorities to trust for the store.",
            (o, v) => o with { Store = o.Store with { CertificateAuthority = v } }
        },
        {
            "checksums",
            Scalars.OneOf(("auto", S3Checksums.Auto), ("on", S3Checksums.On), ("off", S3Checksums.Off)),
            "(`auto`)",
            "Whether objects are written with a CRC-32C that the store checks: `auto` stops when the store refuses one. Signatures cover "
            + "all bytes in any case.",
            (o, v) => o with { Store = o.Store with { Checksums = v } }
        },
        {
            "redirect", Scalars.OneOf(("off", false), ("signed", true)), "(`off`)",
            "Whether a pull of a large blob is redirected to the bucket: `signed` answers with an address that is valid for a short time. "
            + "Clients must reach the store. A client with the right to push gets the bytes from the gateway, so without `access` all "
            + "do.",
            (o, v) => o with { RedirectsSigned = v }
        },
        {
            "staleFor", Stale, "(`10m`)",
            "How long pulls are answered with what was known last while the bucket does not answer. Pushes are refused meanwhile.",
            (o, v) => o with { StaleFor = v }
        },
        {
            "collect", Scalars.Switch, "(`false`)",
            "Whether `gateway gc` and its schedule also remove pushed content that nothing needs from the bucket. Set it when all gateways "
            + "of the bucket run a version that has this key.",
            (o, v) => o with { Collects = v }
        },
    };

    private static void Check(BucketOptions options, string path, Reading reading)
    {
        var bucket = options.Store;
        if (bucket.Endpoint is null && bucket.Region is null)
        {
            reading.Add(
                path, "expected endpoint or region, got neither; add endpoint: https://s3.example.com, or for AWS region: eu-central-1");
        }
        if (bucket.AccessKeyFile is null != bucket.SecretKeyFile is null)
        {
            var (missing, written) = bucket.AccessKeyFile is null
                ? ("accessKeyFile", "secretKeyFile")
                : ("secretKeyFile", "accessKeyFile");
            reading.Add(Reading.Join(path, written), $"expected {missing} too, got only {written}; add {missing}");
        }
        if (bucket.CertificateAuthority is not { } pem) return;
        var key = Reading.Join(path, "certificateAuthority");
        if (bucket.Endpoint?.Scheme == Uri.UriSchemeHttp)
            reading.Add(key, "has no effect without TLS; write an https endpoint, or remove it");
        else if (reading.Files is null && !ReplicaSchema.HasCertificate(pem))
            reading.Add(key, $"expected a PEM file with certificates, got '{pem}' without one");
    }

    private static Parsed<string> PrefixOf(string text)
    {
        if (text.Length == 0) return text;
        var names = text.TrimEnd('/').Split('/');
        return text.Length <= MostPrefix && names.All(name => name.Length > 0 && name is not ("." or "..") && name.All(IsName))
            ? $"{string.Join('/', names)}/"
            : Parsed<string>.Not();
    }

    private static bool IsName(char c) => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_';
}
