using System.Collections.Immutable;
using System.Text;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Signatures.Notation;

namespace Gateway.Configuration;

/// <summary>The <c>policy.trust</c> section: whose signatures count. Keys and roots are read and checked when the file is.</summary>
internal static class TrustSchema
{
    private const string FileScheme = "file://";

    private static readonly Scalar<VerificationKey> Pem = new("a public key in PEM, or the path of a file that holds one", ReadKey);

    private static readonly SettingType<DateTimeOffset?> Moment = new OrNull<DateTimeOffset>(ExceptionSchema.Moment);

    private static readonly Section<KeyOptions> Key = new(() => new(null!))
    {
        {
            "pem", Pem, new Required(), "The public key: ECDSA P-256, P-384 or P-521, RSA of 2048 bits or more, or Ed25519.",
            (o, v) => o with { Key = v }
        },
        {
            "hash",
            Scalars.OneOf(("sha256", SignatureHash.Sha256), ("sha384", SignatureHash.Sha384), ("sha512", SignatureHash.Sha512)), "sha256",
            "What signers hash with; it is never taken from a signature.", (o, v) => o with { Hash = v }
        },
        { "notBefore", Moment, "(always)", "What was first seen before does not count.", (o, v) => o with { NotBefore = v } },
        {
            "retiredAt", Moment, "(in use)", "What was first seen before still counts, what came later does not.",
            (o, v) => o with { RetiredAt = v }
        },
        { "revokedAt", Moment, "(not revoked)", "Once it is written, nothing by this key counts.", (o, v) => o with { RevokedAt = v } },
    };

    private static readonly Scalar<KeylessRootOptions> RootFile = new("the path of a trusted_root.json", ReadRoot);

    private static readonly Section<KeylessRootOptions> KeylessRoot = new(() => new(null!))
    {
        {
            "trustedRoot", RootFile, new Required(),
            "Certificate authorities, logs and time stampers, as sigstore publishes them; read when the file is.",
            (o, v) => v with { MaxAge = o.MaxAge }
        },
        {
            "maxAge", Scalars.Duration(), "(any)", "Age of that file from which nothing by it counts (`TRUST_STALE`).",
            (o, v) => o with { MaxAge = v }
        },
    };

    private static readonly Section<string> KeyReference = new(() => "")
    {
        { "key", Scalars.Text, new Required(), "A key of `policy.trust.keys`.", (_, v) => v },
    };

    private static readonly Section<(string? Exact, string? Pattern)> SubjectPattern = new(() => default)
    {
        {
            "pattern", Scalars.Text, new Required(), "A pattern over the whole subject: `*` for anything but `/`, `**` for anything.",
            (_, v) => (null, v)
        },
    };

    private static readonly SettingType<(string? Exact, string? Pattern)> Subject = new Either<(string? Exact, string? Pattern)>(
        new Scalar<(string? Exact, string? Pattern)>(
            "an email or URI", static (text, _) => text.Length > 0 ? (text, null) : Parsed<(string?, string?)>.Not()),
        SubjectPattern);

    private static readonly Section<AuthorityOptions> Authority = new(() => new(""), CheckAuthority)
    {
        {
            "anyOf", new ListOf<string>(KeyReference), "[]", "Keys, each of which speaks for the authority.",
            (o, v) => o with { AnyOf = v }
        },
        {
            "keyless", Scalars.Text, "(none)", "A root of `policy.trust.keyless`, for certificates of these identities.",
            (o, v) => o with { Keyless = Identity(o) with { Root = v } }
        },
        {
            "issuer", Scalars.Text, "(none)", "The identity provider, exactly.",
            (o, v) => o with { Keyless = Identity(o) with { Issuer = v } }
        },
        {
            "subject", Subject, "(none)", "Who the certificate names, exactly or as a pattern.",
            (o, v) => o with { Keyless = Identity(o) with { Subject = v.Exact, SubjectPattern = v.Pattern } }
        },
        {
            "claims", new MapOf<string>(Scalars.Text, Scalars.Text), "{}", "Further claims of the certificate by OID, exactly.",
            (o, v) => o with { Keyless = Identity(o) with { Claims = v } }
        },
        {
            "notation", Scalars.Text, "(none)", "A store of `policy.trust.notation`, for Notation signatures of these identities.",
            (o, v) => o with { Notation = Notary(o) with { Store = v } }
        },
        {
            "trustedIdentities", NotationSchema.Identities, "(none)",
            "Subjects of signing certificates, each by the parts that count, or `*` alone.",
            (o, v) => o with { Notation = NotationSchema.Of(Notary(o), v) }
        },
        {
            "level", NotationSchema.Level, "strict", "What is enforced of a Notation signature.",
            (o, v) => o with { Notation = Notary(o) with { Level = v } }
        },
        {
            "override", NotationSchema.Override, "{}", "What takes the level's place.",
            (o, v) => o with { Notation = NotationSchema.Over(Notary(o), v) }
        },
        {
            "verifyTimestamp", NotationSchema.StampAfterExpiry, "always",
            "When a time stamp is asked for, where the store has time stampers.",
            (o, v) => o with { Notation = Notary(o) with { StampAfterExpiry = v } }
        },
        {
            "tlog",
            Scalars.OneOf(("require", TlogMode.Require), ("ifPresent", TlogMode.IfPresent), ("ignore", TlogMode.Ignore)),
            "(ifPresent for keys, require for keyless)", "Whether an entry of a transparency log must be there.",
            (o, v) => o with { Tlog = v }
        },
        {
            "signatureRepositories", new ListOf<RepositoryName>(Scalars.Repository), "[]",
            "Repositories of this gateway that hold its signatures of images in other repositories (cosign's `COSIGN_REPOSITORY`).",
            (o, v) => o with { SignatureRepositories = v }
        },
    };

    public static readonly Section<TrustOptions> Trust = new(() => new(), CheckTrust)
    {
        { "keys", new MapOf<KeyOptions>(Scalars.Text, Key), "{}", "Public keys, by names of your choice.", (o, v) => o with { Keys = v } },
        {
            "keyless", new MapOf<KeylessRootOptions>(Scalars.Text, KeylessRoot), "{}", "Roots of keyless signing, by names of your choice.",
            (o, v) => o with { Keyless = v }
        },
        {
            "notation", new MapOf<NotationStoreOptions>(Scalars.Text, NotationSchema.Store), "{}",
            "Trust stores of Notation, by names of your choice.", (o, v) => o with { Notation = v }
        },
        {
            "authorities", new MapOf<AuthorityOptions>(Scalars.Text, Authority, ReadAuthority, []), "{}",
            "Who may sign, by names of your choice: what rules refer to.", (o, v) => o with { Authorities = v }
        },
    };

    private static KeylessAuthority Identity(AuthorityOptions authority) => authority.Keyless ?? new("", "");

    private static NotationAuthority Notary(AuthorityOptions authority) => authority.Notation ?? new("");

    private static bool ReadAuthority(string id, ConfigurationNode node, string path, Reading reading, out AuthorityOptions authority)
    {
        var sound = Authority.TryRead(node, path, reading, new(id), out authority);
        if (authority.Keyless is not null && !reading.IsWritten(Reading.Join(path, "tlog")))
            authority = authority with { Tlog = TlogMode.Require };
        return sound;
    }

    private static void CheckAuthority(AuthorityOptions authority, string path, Reading reading)
    {
        var kinds = new[] { !authority.AnyOf.IsEmpty, authority.Keyless is not null, authority.Notation is not null };
        if (kinds.Count(static kind => kind) != 1)
            reading.Add(path, "expected one of anyOf with keys, keyless with issuer and subject, and notation with trustedIdentities");
        else if (authority.Notation is { } notation)
            NotationSchema.Check(notation, path, reading);
        else if (authority.Keyless is { } keyless
            && (keyless.Root.Length == 0 || keyless.Issuer.Length == 0 || (keyless.Subject ?? keyless.SubjectPattern) is null))
            reading.Add(path, "expected keyless, issuer and subject, all three: else strangers of the same issuer could sign");
    }

    private static void CheckTrust(TrustOptions trust, string path, Reading reading)
    {
        if (trust.AllSignatureRepositories().Count() is var all and > TrustOptions.MaxSignatureRepositories)
        {
            reading.Add(
                $"{path}.authorities",
                $"expected at most {TrustOptions.MaxSignatureRepositories} signatureRepositories of all authorities together, got {all}");
        }
        foreach (var (id, authority) in trust.Authorities)
        {
            var place = $"{path}.authorities.{id}";
            foreach (var (i, key) in authority.AnyOf.Index().Where(one => !trust.Keys.ContainsKey(one.Item)))
                reading.Add($"{place}.anyOf[{i}].key", $"'{key}' names no key{NearestName.Hint(key, trust.Keys.Keys)}");
            if (authority.Keyless is { } keyless && !trust.Keyless.ContainsKey(keyless.Root))
                reading.Add(
                    $"{place}.keyless",
                    $"'{keyless.Root}' names no root of policy.trust.keyless{NearestName.Hint(keyless.Root, trust.Keyless.Keys)}");
            if (authority.Notation is { Store: var store } && !trust.Notation.ContainsKey(store))
                reading.Add($"{place}.notation", $"'{store}' names no store{NearestName.Hint(store, trust.Notation.Keys)}");
        }
    }

    /// <summary>The text itself where it is PEM, else that of the file that it names.</summary>
    internal static Parsed<string> ReadText(string text, Reading reading)
    {
        if (text.Contains("-----BEGIN", StringComparison.Ordinal)) return text;
        try
        {
            return text.Length == 0 ? Parsed<string>.Not("got nothing") : reading.ReadFile(PathOf(text, reading)).Text;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return Parsed<string>.Not(problem.Message);
        }
    }

    private static Parsed<VerificationKey> ReadKey(string text, Reading reading)
    {
        var read = ReadText(text, reading);
        if (read.Problem is not null) return Parsed<VerificationKey>.Not(read.Problem);
        var (key, problem) = VerificationKey.Parse(read.Value);
        return key is null ? Parsed<VerificationKey>.Not(problem!) : key;
    }

    private static Parsed<KeylessRootOptions> ReadRoot(string text, Reading reading)
    {
        var read = ReadText(text, reading);
        if (read.Problem is not null) return Parsed<KeylessRootOptions>.Not(read.Problem);
        var (root, problem) = TrustedRoot.Parse(Encoding.UTF8.GetBytes(read.Value));
        return root is null
            ? Parsed<KeylessRootOptions>.Not(problem!)
            : new KeylessRootOptions(root) { ReadFrom = reading.ReadFile(PathOf(text, reading)).Written };
    }

    private static string PathOf(string text, Reading reading) =>
        reading.Absolute(text.StartsWith(FileScheme, StringComparison.Ordinal) ? text[FileScheme.Length..] : text);
}
