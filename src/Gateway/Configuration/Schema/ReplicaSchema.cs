using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Configuration;

/// <summary>The <c>replicas</c> section.</summary>
internal static class ReplicaSchema
{
    // Redis numbers its databases from 0, 16 of them unless its own configuration says otherwise.
    private const int LastDatabase = 15;

    private static readonly Scalar<string> Server = Scalars.Matching(
        "host:port of a Redis server, such as redis:6379", text => IsHostAndPort(text));

    // Braces would end the part of a key by which Redis Cluster chooses a slot.
    private static readonly Scalar<string> Prefix = Scalars.Matching(
        "letters, digits, '-', '_', '.' and ':', at most 64",
        text => text.Length is > 0 and <= 64 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or ':'));

    // Chosen: below, a pause of the runtime would count as silence; above, clients would wait for what can be done without Redis.
    private static readonly Scalar<TimeSpan> Timeout = new(
        "a duration from 10ms to 5s",
        (text, _) => Durations.TryParse(text, out var time) && time.TotalMilliseconds is >= 10 and <= 5000 ? time : Parsed<TimeSpan>.Not());

    // Redis' own rule for a user's name: no spaces (ACL SETUSER).
    private static readonly Scalar<string> User = Scalars.Matching(
        "a user's name without spaces", text => text.Length is > 0 and <= 128 && !text.AsSpan().ContainsAnyExceptInRange('!', '~'));

    private static readonly Section<RedisOptions> Redis = new(() => new(), Check)
    {
        {
            "address", new ListOf<string>(Server, orOne: true), new Required(),
            "Host and port of the server, or of a primary and its replicas; writes go to the primary.",
            (o, v) => o with { Addresses = v }
        },
        {
            "username", User, "(the default user)", "User of Redis' access control lists; needs `passwordFile`.",
            (o, v) => o with { Username = v }
        },
        {
            "passwordFile", Scalars.ReadableFile, "(none: no password)", "File with the password, in one line; read at each connection.",
            (o, v) => o with { PasswordFile = v }
        },
        { "tls", Scalars.Switch, "(`false`)", "Whether connections use TLS.", (o, v) => o with { Tls = v } },
        {
            "certificateAuthority", Scalars.ReadableFile, "(the system's)",
            "PEM file of the authority that signed Redis' certificate; needs `tls: true`.",
            (o, v) => o with { CertificateAuthority = v }
        },
        { "database", Scalars.Whole(0, LastDatabase), "(0)", "Number of the database.", (o, v) => o with { Database = v } },
        {
            "keyPrefix", Prefix, "(`gateway`)", "What every key begins with; each set of replicas on one server needs its own.",
            (o, v) => o with { KeyPrefix = v }
        },
    };

    public static readonly Section<ReplicaOptions> Replicas = new(() => new(), Check)
    {
        {
            "redis", Redis!, "(none: replicas know each other by `peers`, and only share fetches)",
            "The server that the replicas share: who fetches what, fresh tags, rate budgets and news of purges.",
            (o, v) => o with { Redis = v }
        },
        {
            "peers", new ListOf<Uri>(Addresses.Endpoint), "(`[]`)",
            "Addresses of all replicas. They are asked also when Redis does not answer; a replica ignores its own.",
            (o, v) => o with { Peers = v }
        },
        {
            "listen", Addresses.Listener, new Required(),
            "Scheme, address and port for the other replicas; `https` needs `tls` here or at the top. "
            + "`http` only in a network that you trust: it hides neither content nor names.",
            (o, v) => o with { Listen = v }
        },
        {
            "advertise", Addresses.Endpoint, "(the address of `listen`)", "The address by which the other replicas reach this one.",
            (o, v) => o with { Advertise = v }
        },
        {
            "timeout", Timeout, "(`200ms`)",
            "Longest wait for an answer of Redis, and of another replica that is asked whether it has some content. Without an answer, a "
            + "replica works alone.",
            (o, v) => o with { Timeout = v }
        },
        {
            "secretFile", TokenFile.Setting, new Required(),
            "File with the secret of the set, at least 16 characters in one line, the same on all replicas. Read again within a second of "
            + "a change.",
            (o, v) => o with { SecretFile = v }
        },
        {
            "tls", TlsSchema.Tls, "(the top-level `tls`)",
            "Certificate between replicas. With `clientAuthorities`, replicas accept each other's certificates from these authorities "
            + "alone; with `clientCertificates: require`, each must also show its own.",
            (o, v) => o with { Tls = v }
        },
    };

    /// <summary>Checks the section together with the top-level certificate.</summary>
    public static void Check(GatewayOptions options, Reading reading)
    {
        if (options.Replicas is { } replicas && replicas.Listen.Scheme == Uri.UriSchemeHttps && (replicas.Tls ?? options.Tls) is null)
            reading.Add("replicas.listen", "https needs a certificate; add replicas.tls: { certificate, key }, or a top-level tls");
        if (options.Replicas?.Listen is not { Port: > 0 } own) return;
        foreach (var other in options.Listen.Select(each => each.Url).Append(options.Operator.Url).Where(each => IsSameSocket(each, own)))
        {
            reading.Add(
                "replicas.listen", $"expected a port of its own, got that of {other.GetLeftPart(UriPartial.Authority)}; write another");
        }
    }

    private static bool IsSameSocket(Uri one, Uri other) =>
        one.Port == other.Port && (one.Host == other.Host || IsAny(one) || IsAny(other));

    private static bool IsAny(Uri url) => url.Host is "0.0.0.0" or "[::]";

    private static void Check(RedisOptions redis, string path, Reading reading)
    {
        if (redis.CertificateAuthority is not null && !redis.Tls)
            reading.Add(Reading.Join(path, "certificateAuthority"), "has no effect without TLS; add tls: true, or remove it");
        if (redis.Username is not null && redis.PasswordFile is null)
            reading.Add(Reading.Join(path, "username"), "expected passwordFile beside it; add passwordFile, or remove it");
        if (reading.Files is not null) return;
        if (redis.PasswordFile is { } file && IsEmpty(file))
        {
            reading.Add(Reading.Join(path, "passwordFile"), $"expected a password in '{file}', got an empty file; write it in one line");
        }
        if (redis is { Tls: true, CertificateAuthority: { } pem } && !HasCertificate(pem))
            reading.Add(Reading.Join(path, "certificateAuthority"), $"expected a PEM file with certificates, got '{pem}' without one");
    }

    private static bool IsEmpty(string file)
    {
        try
        {
            return BoundedFile.ReadText(file).Trim().Length == 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The setting has its own mistake.
            return false;
        }
    }

    /// <summary>Whether a file has a certificate in PEM.</summary>
    internal static bool HasCertificate(string file)
    {
        var authorities = new X509Certificate2Collection();
        try
        {
            authorities.ImportFromPemFile(file);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
        return authorities.Count > 0;
    }

    private static void Check(ReplicaOptions replicas, string path, Reading reading)
    {
        if (replicas.Redis is null && replicas.Peers.IsEmpty)
            reading.Add(path, "expected redis or peers, got neither; add redis: { address: host:6379 }");
        if (replicas.Advertise?.Host is "0.0.0.0" or "[::]")
        {
            reading.Add(
                Reading.Join(path, "advertise"),
                $"expected an address of this machine, got {replicas.Advertise.Host}; write the one by which the other replicas reach it");
        }
        foreach (var peer in replicas.Peers.Where(each => each.Scheme != replicas.Address.Scheme))
        {
            reading.Add(
                Reading.Join(path, "peers"),
                $"expected {replicas.Address.Scheme} as in {(replicas.Advertise is null ? "listen" : "advertise")}, got {peer}; "
                + "replicas of a set all use http, or all use https");
        }
        if (replicas is { Tls: not null, Listen.Scheme: "http" })
            reading.Add(Reading.Join(path, "tls"), "has no effect with http; write https in listen and advertise, or remove tls");
        if (replicas.Advertise is null && replicas.Listen.Host is "0.0.0.0" or "[::]")
        {
            reading.Add(
                Reading.Join(path, "advertise"),
                $"must be written, because listen is {replicas.Listen.Host}; write the address by which the other replicas reach this one");
        }
    }

    private static bool IsHostAndPort(string text)
    {
        var colon = text.LastIndexOf(':');
        return colon > 0 && Uri.CheckHostName(text[..colon].Trim('[', ']')) != UriHostNameType.Unknown
            && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port > 0;
    }
}
