using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Policy.Signatures.Keyless;

/// <summary>The result of checking a keyless signature.</summary>
/// <param name="Checked">Whether it counts, the signer, and why not.</param>
/// <param name="Identity">The identity in its certificate; null unless the signature counts.</param>
/// <param name="SignedAt">The earliest proven time of the signature; null unless the signature counts.</param>
internal sealed record KeylessCheck(Checked Checked, CertificateIdentity? Identity, DateTimeOffset? SignedAt);

/// <summary>
/// Verifies signatures by short-lived certificates against a pinned root, without a network and without a clock but the one passed in
/// (sigstore's client specification §4): signature, log, time, path, certificate transparency, identity. Pure and safe for concurrent use.
/// </summary>
internal static class KeylessVerifier
{
    /// <param name="material">The signature with its certificate, log entries and time stamps.</param>
    /// <param name="authority">The authority; it must be keyless.</param>
    /// <param name="root">The root that the authority names.</param>
    /// <param name="now">The caller's clock. Only the root's age depends on it, never a certificate.</param>
    public static KeylessCheck Verify(SignatureMaterial material, AuthorityOptions authority, KeylessRootOptions root, DateTimeOffset now)
    {
        var expected = authority.Keyless ?? throw new ArgumentException($"'{authority.Id}' is no keyless authority", nameof(authority));
        try
        {
            RequireFresh(root, expected.Root, now);
            using var leaf = LeafOf(material);
            RequireSignature(material, leaf);
            var log = TransparencyLog.Check(material, leaf.RawData, authority.Tlog, root.Root.SignatureLogs);
            if (log.Why is { } notLogged) throw new RefusedException(ReasonCodes.SigTlogInvalid, notLogged);
            var (times, first) = TimesOf(material, log, root.Root);
            RequireIssued(leaf, times, root.Root);
            var identity = RequireIdentity(leaf, expected);
            var trusted = Checked.Trusted(identity.ToString(), $"signed by {identity} at {Moments.Text(first.At)}");
            return new(trusted with { SignedAt = first }, identity, first.At);
        }
        catch (RefusedException e)
        {
            return new(Checked.Untrusted(e.Code, e.Message), null, null);
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return new(Checked.Untrusted(ReasonCodes.SigBad, $"the certificate cannot be read: {e.Message}"), null, null);
        }
    }

    // An outdated root does not know which keys were withdrawn later.
    private static void RequireFresh(KeylessRootOptions root, string name, DateTimeOffset now)
    {
        if (root.MaxAge is not { } maxAge) return;
        if (root.ReadFrom is { } from && now - from <= maxAge) return;
        var age = root.ReadFrom is { } known ? $"is of {Moments.Text(known)}" : "has no known age";
        var limit = $"{maxAge.TotalDays:0.##} days";
        throw new RefusedException(
            ReasonCodes.TrustStale, $"trusted root {Printable.Quote(name)} {age}, expected one not older than {limit}");
    }

    private static X509Certificate2 LeafOf(SignatureMaterial material)
    {
        if (material.Certificate is not { } der)
            throw new RefusedException(ReasonCodes.SigNoTrusted, "signed by a bare key, expected a certificate");
        return Certificates.Load(der.Span)
            ?? throw new RefusedException(ReasonCodes.SigBad, "expected a certificate in DER, got something else");
    }

    // The hash of the key's own scheme (protobuf-specs' algorithm registry): the certificate decides it, not the artifact.
    private static void RequireSignature(SignatureMaterial material, X509Certificate2 leaf)
    {
        var (key, problem) = VerificationKey.Of(leaf);
        if (key is null) throw new RefusedException(ReasonCodes.SigBad, $"the certificate's key: {problem}");
        var hash = key.Bits switch { 384 => SignatureHash.Sha384, 521 => SignatureHash.Sha512, _ => SignatureHash.Sha256 };
        if (key.Verify(material.SignedBytes.Span, material.Signature.Span, hash)) return;
        throw new RefusedException(
            ReasonCodes.SigBad, $"the signature is not over this content by the certificate's {key.Fingerprint}");
    }

    /// <summary>The proven times of the signature, and the earliest of them; at least one.</summary>
    private static (ImmutableArray<DateTimeOffset> All, SignedTime First) TimesOf(
        SignatureMaterial material, LogCheck log, TrustedRoot root)
    {
        if (material.Timestamps.Length > TimeStamp.MaxStamps)
            throw Invalid($"{material.Timestamps.Length} time stamps, expected at most {TimeStamp.MaxStamps}");
        var (stamped, why) = TimeStamp.TimesOf(material, [root]);
        if (SignedTime.Earliest(log.Times, stamped) is { } first) return ([.. log.Times, .. stamped], first);
        throw Invalid(why ?? "no time that can be verified: expected a signed entry timestamp (Rekor v1) or an RFC 3161 time stamp");
    }

    private static RefusedException Invalid(string time) => new(ReasonCodes.SigTimeInvalid, time);

    // The whole path must have been valid at every verified time: a certificate lives for minutes, and its key can be public afterwards.
    private static void RequireIssued(X509Certificate2 leaf, ImmutableArray<DateTimeOffset> times, TrustedRoot root)
    {
        if (Certificates.ProblemOfUse(leaf, Certificates.CodeSigning) is { } use) throw new RefusedException(ReasonCodes.SigNoTrusted, use);
        var validity = new TimeRange(leaf.NotBefore.ToUniversalTime(), leaf.NotAfter.ToUniversalTime());
        foreach (var time in times)
        {
            if (!validity.Contains(time))
                throw Invalid($"signed at {Moments.Text(time)}, the certificate is valid from {validity}");
            var issuerKey = IssuerKeyOf(leaf, time, root);
            if (CertificateTimestamps.ProblemOf(leaf, issuerKey, root) is { } problem)
                throw new RefusedException(ReasonCodes.SigNoTrusted, problem);
        }
    }

    private static byte[] IssuerKeyOf(X509Certificate2 leaf, DateTimeOffset time, TrustedRoot root)
    {
        var problems = new List<string>();
        foreach (var authority in root.CertificateAuthorities)
        {
            var (issuerKey, why) = Certificates.PathTo(authority, leaf, time, Certificates.CodeSigning);
            if (issuerKey is not null) return issuerKey;
            problems.Add(why!);
        }
        if (problems.Count == 0) problems.Add("the trusted root names no certificate authority");
        throw new RefusedException(ReasonCodes.SigNoTrusted, string.Join("; ", problems));
    }

    private static CertificateIdentity RequireIdentity(X509Certificate2 leaf, KeylessAuthority expected)
    {
        var (identity, problem) = CertificateIdentity.Read(leaf);
        problem ??= identity!.ProblemWith(expected, leaf);
        return problem is null ? identity! : throw new RefusedException(ReasonCodes.SigNoTrusted, problem);
    }
}
