namespace Gateway.Storage;

/// <summary>How to reach a bucket.</summary>
public sealed record S3Options(string Bucket)
{
    /// <summary>The region that requests are signed for when none is given: the first of AWS, which other stores accept too.</summary>
    public const string DefaultRegion = "us-east-1";

    /// <summary>The store's address; null for AWS in <see cref="Region"/>.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>The region that requests are signed for; null for <see cref="DefaultRegion"/>.</summary>
    public string? Region { get; init; }

    /// <summary>What the keys of this gateway begin with: empty, or names that each end with '/'.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>Whether the bucket is in the path of the address; null for what fits <see cref="Endpoint"/>.</summary>
    public bool? PathStyle { get; init; }

    /// <summary>AWS has the bucket in the host name; other stores need DNS for that, so a path is the default.</summary>
    internal bool IsPathStyle => PathStyle ?? Endpoint is not null;

    /// <summary>
    /// Absolute path of the file with the access key. Null with <see cref="SecretKeyFile"/>: the SDK looks for credentials in the
    /// environment and the instance's role.
    /// </summary>
    public string? AccessKeyFile { get; init; }

    /// <summary>Absolute path of the file with the secret key.</summary>
    public string? SecretKeyFile { get; init; }

    /// <summary>
    /// Absolute path of the PEM file of the authorities that sign the store's certificate, read at the start; null for the system's.
    /// </summary>
    public string? CertificateAuthority { get; init; }

    /// <summary>Whether written objects have a CRC-32C that the store checks and keeps.</summary>
    public S3Checksums Checksums { get; init; }

    /// <summary>Longest wait for an answer. Chosen: stores answer within a second; ten times that is a fault.</summary>
    internal TimeSpan AnswerLimit { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Longest wait for the next bytes of a body. Chosen as that for an answer, with room for a store's pause.</summary>
    internal TimeSpan BodyLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>What a message calls the bucket.</summary>
    public string Name => $"bucket {Bucket} at {Address}";

    /// <summary>What a message calls the store: its address, or AWS in a region.</summary>
    public string Address => Endpoint?.GetLeftPart(UriPartial.Authority) ?? $"AWS {Region ?? DefaultRegion}";
}

/// <summary>Whether written objects have a checksum beside their signature.</summary>
public enum S3Checksums
{
    /// <summary>Yes, until the store refuses one.</summary>
    Auto,

    /// <summary>Yes.</summary>
    On,

    /// <summary>No. The signature of a request still covers its bytes.</summary>
    Off,
}
