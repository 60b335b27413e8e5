using System.Collections.Immutable;
using System.Text;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Signatures.Notation;

namespace Gateway.Configuration;

/// <summary>The <c>policy.trust</c> section: whose signatures count. Keys and roots are read and checked together with the file.</summary>
internal static class TrustSchema
{
    private const string FileScheme = "file://";

    private static readonly Scalar<VerificationKey> Pem = new("a public key in PEM, or the path of a file that holds one", ReadKey);

    private static readonly SettingType<DateTimeOffset?> Moment = new OrNull<DateTimeOffset>(ExceptionSchema.Moment);

    private static readonly Section<KeyOptions> Key = new(() => new(null!))
    {
        {
            "pem", Pem, new Required(), "The public key: ECDSA P-256, P-384 or P-521, RSA of at least 2048 bits, or Ed25519.",
            (o, v) => o with { Key = v }
        },
        {
            "hash",
            Scalars.OneOf(("sha256", SignatureHash.Sha256), ("sha384", SignatureHash.Sha384), ("sha512", SignatureHash.Sha512)), "sha256",
            "The hash that signers use; never read from a signature.", (o, v) => o with { Hash = v }
        },
        { "notBefore", Moment, "(always)", "Signatures first seen earlier do not count.", (o, v) => o with { NotBefore = v } },
        {
            "retiredAt", Moment, "(in use)", "Signatures first seen earlier still count, later ones do not.",
            (o, v) => o with { RetiredAt = v }
        },
        { "revokedAt", Moment, "(not revoked)", "Once set, no signature by this key counts.", (o, v) => o with { RevokedAt = v } },
    };

    private static readonly Scalar<KeylessRootOptions> RootFile = new("the path of a trusted_root.json", ReadRoot);

    private static readonly Section<KeylessRootOptions> KeylessRoot = new(() => new(null!))
    {
        {
            "trustedRoot", RootFile, new Required(),
            "Certificate authorities, logs and time stampers, as sigstore publishes them; read together with the file.",
            (o, v) => v with { MaxAge = o.MaxAge }
        },
        {
            "maxAge", Scalars.Duration(), "(any)", "Age of that file at which its signatures stop counting (`TRUST_STALE`).",
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
            "anyOf", new ListOf<string>(KeyReference), "[]", "Keys; a signature by any of them counts for the authority.",
            (o, v) => o with { AnyOf = v }
        },
        {
            "keyless", Scalars.Text, "(none)", "A root of `policy.trust.keyless`, for certificates of these identities.",
            (o, v) => o with { Keyless = Identity(o) with { Root = v } }
        },
        {
            "issuer", Scalars.Text, "(none)", "The exact identity provider.",
            (o, v) => o with { Keyless = Identity(o) with { Issuer = v } }
        },
        {
            "subject", Subject, "(none)", "The certificate's identity, exact or as a pattern.",
            (o, v) => o with { Keyless = Identity(o) with { Subject = v.Exact, SubjectPattern = v.Pattern } }
        },
        {
            "claims", new MapOf<string>(Scalars.Text, Scalars.Text), "{}", "Exact values of further claims of the certificate, by OID.",
            (o, v) => o with { Keyless = Identity(o) with { Claims = v } }
        },
        {
            "notation", Scalars.Text, "(none)", "A store of `policy.trust.notation`, for Notation signatures of these identities.",
            (o, v) => o with { Notation = Notary(o) with { Store = v } }
        },
        {
            "trustedIdentities", NotationSchema.Identities, "(none)",
            "Subjects of signing certificates, each by its required parts, or `*` alone.",
            (o, v) => o with { Notation = NotationSchema.Of(Notary(o), v) }
        },
        {
            "level", NotationSchema.Level, "strict", "The checks that are enforced for a Notation signature.",
            (o, v) => o with { Notation = Notary(o) with { Level = v } }
        },
        {
            "override", NotationSchema.Override, "{}", "Exceptions from the level.",
            (o, v) => o with { Notation = NotationSchema.Over(Notary(o), v) }
        },
        {
            "verifyTimestamp", NotationSchema.StampAfterExpiry, "always",
            "When a time stamp is required, if the store has time stampers.",
            (o, v) => o with { Notation = Notary(o) with { StampAfterExpiry = v } }
        },
        {
            "tlog",
            Scalars.OneOf(("require", TlogMode.Require), ("ifPresent", TlogMode.IfPresent), ("ignore", TlogMode.Ignore)),
            "(ifPresent for keys, require for keyless)", "Whether an entry of a transparency log is required.",
            (o, v) => o with { Tlog = v }
        },
        {
            "signatureRepositories", new ListOf<RepositoryName>(Scalars.Repository), "[]",
            "Repositories of this gateway with its signatures of images in other repositories (cosign's `COSIGN_REPOSITORY`).",
            (o, v) => o with { SignatureRepositories = v }
        },
    };

    public static readonly Section<TrustOptions> Trust = new(() => new(), CheckTrust)
    {
        { "keys", new MapOf<KeyOptions>(Scalars.Text, Key), "{}", "Public keys by name.", (o, v) => o with { Keys = v } },
        {
            "keyless", new MapOf<KeylessRootOptions>(Scalars.Text, KeylessRoot), "{}", "Roots of keyless signing by name.",
            (o, v) => o with { Keyless = v }
        },
        {
            "notation", new MapOf<NotationStoreOptions>(Scalars.Text, NotationSchema.Store), "{}",
            "Trust stores of Notation by name.", (o, v) => o with { Notation = v }
        },
        {
            "authorities", new MapOf<AuthorityOptions>(Scalars.Text, Authority, ReadAuthority, []), "{}",
            "Accepted signers by name; rules refer to these names.", (o, v) => o with { Authorities = v }
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
            reading.Add(path, "expected all of keyless, issuer and subject; otherwise strangers of the same issuer could sign");
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
                reading.Add($"{place}.anyOf[{i}].key", $"'{key}' is not a key of trust.keys{NearestName.Hint(key, trust.Keys.Keys)}");
            if (authority.Keyless is { } keyless && !trust.Keyless.ContainsKey(keyless.Root))
                reading.Add(
                    $"{place}.keyless",
                    $"'{keyless.Root}' is not a root of trust.keyless{NearestName.Hint(keyless.Root, trust.Keyless.Keys)}");
            if (authority.Notation is { Store: var store } && !trust.Notation.ContainsKey(store))
                reading.Add(
                    $"{place}.notation", $"'{store}' is not a store of trust.notation{NearestName.Hint(store, trust.Notation.Keys)}");
        }
    }

    /// <summary>The text itself if it is PEM, otherwise the text of the file that it names.</summary>
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
