using Gateway.Testing;

namespace Gateway.BlackBox.Rig;

/// <summary>How a <see cref="BucketSet"/> is made.</summary>
internal sealed record BucketPlan
{
    /// <summary>Lines of the configuration of each gateway.</summary>
    public Func<int, string> Yaml { get; init; } = static _ => "";

    /// <summary>Starts the store, which ends with the set; null for moto.</summary>
    public Func<Task<S3Server?>>? Store { get; init; }

    /// <summary>A store that other tests use too; null for <see cref="Store"/>.</summary>
    public Func<Task<S3Server?>>? Shared { get; init; }

    /// <summary>Whether the store has an account for the set alone. Only Ceph knows accounts.</summary>
    public bool HasAccount { get; init; }

    /// <summary>See <see cref="Front.StartAsync"/>.</summary>
    public string? Ready { get; init; }

    /// <summary>Whether each gateway reaches the store through a proxy of its own.</summary>
    public bool HasProxies { get; init; }

    /// <summary>The fault of all proxies while the gateways start.</summary>
    public StoreFault Fault { get; init; }

    /// <summary>Whether the reverse proxy sends no request to a gateway that is not ready.</summary>
    public bool IsChecked { get; init; }

    /// <summary>
    /// Whether the reverse proxy sends a request to another gateway when the first one closes the connection without a response.
    /// </summary>
    public bool Repeats { get; init; }

    /// <summary>The value of <c>storage.s3.staleFor</c>; null for the default.</summary>
    public string? StaleFor { get; init; }

    /// <summary>Whether each gateway removes what nothing needs from the bucket.</summary>
    public bool Collects { get; init; }

    public int Gateways { get; init; } = BucketSet.Count;

    /// <summary>The program of each gateway; null for the one that was built.</summary>
    public Func<int, string?> Assembly { get; init; } = static _ => null;

    /// <summary>Environment variables of each gateway.</summary>
    public Func<int, IReadOnlyDictionary<string, string>?> Environment { get; init; } = static _ => null;
}
