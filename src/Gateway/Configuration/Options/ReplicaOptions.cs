using System.Collections.Immutable;

namespace Gateway.Configuration;

/// <summary>The <c>replicas</c> section: several gateways, each with its own disk, that act as one.</summary>
internal sealed record ReplicaOptions
{
    /// <summary>The Redis that the replicas share; null if they only know each other by <see cref="Peers"/>.</summary>
    public RedisOptions? Redis { get; init; }

    /// <summary>Addresses of replicas that are asked also when Redis does not answer; this replica's own address is ignored.</summary>
    public ImmutableArray<Uri> Peers { get; init; } = [];

    /// <summary>Where this replica listens for the others.</summary>
    public Uri Listen { get; init; } = new("http://127.0.0.1:5002");

    /// <summary>The address by which the others reach this replica; null for that of <see cref="Listen"/>.</summary>
    public Uri? Advertise { get; init; }

    /// <summary>
    /// Longest wait for an answer of Redis, and for another replica's word whether it has some content; 10 ms to 5 s. The default is 3,000
    /// times what a Redis in the same network takes, and less than a request to an upstream.
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Absolute path of the file with the secret that all replicas have.</summary>
    public string SecretFile { get; init; } = "";

    /// <summary>The certificate between replicas; null for the top-level one.</summary>
    public TlsOptions? Tls { get; init; }

    /// <summary>How the others know this replica.</summary>
    public Uri Address => Advertise ?? Listen;
}

/// <summary>The <c>replicas.redis</c> section.</summary>
internal sealed record RedisOptions
{
    /// <summary>Host and port of one server, or of a primary and its replicas; at least one.</summary>
    public ImmutableArray<string> Addresses { get; init; } = [];

    /// <summary>The user of Redis' access control lists; null for the default user.</summary>
    public string? Username { get; init; }

    /// <summary>Absolute path of the file with the password; null for none.</summary>
    public string? PasswordFile { get; init; }

    /// <summary>Absolute path of a PEM file with the authorities of Redis' certificate; null for the system's.</summary>
    public string? CertificateAuthority { get; init; }

    /// <summary>Whether connections use TLS.</summary>
    public bool Tls { get; init; }

    /// <summary>Number of the database; 0 to 15.</summary>
    public int Database { get; init; }

    /// <summary>What every key begins with, so that several sets can share one server.</summary>
    public string KeyPrefix { get; init; } = "gateway";
}
