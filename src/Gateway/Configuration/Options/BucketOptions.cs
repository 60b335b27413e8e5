namespace Gateway.Configuration;

/// <summary>The <c>storage.s3</c> section: a bucket that has what clients push, for one or several gateways.</summary>
internal sealed record BucketOptions
{
    /// <summary>The bucket's name.</summary>
    public string Bucket { get; init; } = "";

    /// <summary>The store's address; null for AWS in <see cref="Region"/>.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>The region; null for the default of signatures.</summary>
    public string? Region { get; init; }

    /// <summary>What every key begins with: empty, or names that each end with '/'.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>Whether the bucket is in the path of the address; null for what fits <see cref="Endpoint"/>.</summary>
    public bool? PathStyle { get; init; }

    /// <summary>The store, as people read it.</summary>
    public string Address => Endpoint?.GetLeftPart(UriPartial.Authority) ?? $"AWS {Region}";

    /// <summary>Absolute path of the file with the access key; null for the SDK's own chain.</summary>
    public string? AccessKeyFile { get; init; }

    /// <summary>Absolute path of the file with the secret key.</summary>
    public string? SecretKeyFile { get; init; }

    /// <summary>Absolute path of the PEM file of the authorities that sign the store's certificate; null for the system's.</summary>
    public string? CertificateAuthority { get; init; }

    public BucketChecksums Checksums { get; init; }

    /// <summary>Whether pulls of large blobs are redirected to the bucket by signed addresses.</summary>
    public bool RedirectsSigned { get; init; }

    /// <summary>How long what was validated last is served while the bucket does not answer.</summary>
    public TimeSpan StaleFor { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Whether this gateway removes pushed content from the bucket that nothing needs.</summary>
    public bool Collects { get; init; }
}

/// <summary>Whether written objects have a checksum beside their signature.</summary>
internal enum BucketChecksums
{
    /// <summary>Yes, until the store refuses one.</summary>
    Auto,

    On,

    Off,
}
