using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;
using Gateway.Policy.Signatures.Keyless;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>
/// Decides whether a Notation signature counts for an authority, by the Notary Project's checks (trust-store-trust-policy.md): integrity,
/// authenticity, authentic time stamp, expiry, revocation. The result depends only on the arguments; no service is asked over the network.
/// </summary>
internal static class NotationVerifier
{
    // RFC 5280 §4.2.1.13 and §4.2.2.1.
    private const string CrlPoints = "2.5.29.31";
    private const string AuthorityInformation = "1.3.6.1.5.5.7.1.1";

    /// <param name="material">The signature with its chain, time stamps and attributes.</param>
    /// <param name="authority">The authority; it must be one by Notation.</param>
    /// <param name="store">The trust store that the authority names.</param>
    public static Checked Verify(SignatureMaterial material, AuthorityOptions authority, NotationStoreOptions store, DateTimeOffset now)
    {
        var expected = authority.Notation
            ?? throw new ArgumentException($"expected an authority by Notation, got '{authority.Id}' of another kind", nameof(authority));
        if (material.Notation is null)
            return Checked.Untrusted(ReasonCodes.SigNoTrusted, $"expected a Notation signature by {authority.Id}, got one of another kind");
        var chain = new List<X509Certificate2>();
        try
        {
            Load(material, chain);
            var question = new Question(material, material.Notation, chain, expected, store, now);
            RequireIntegrity(question);
            return Evaluate(question) with { ChangesAt = ChangeOf(question) };
        }
        catch (RefusedException e)
        {
            return Checked.Untrusted(e.Code, e.Message);
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return Checked.Untrusted(ReasonCodes.SigBad, $"a certificate of the chain cannot be read: {e.Message}");
        }
        finally
        {
            chain.ForEach(static certificate => certificate.Dispose());
        }
    }

    private sealed record Question(
        SignatureMaterial Material, NotationAttributes Signed, List<X509Certificate2> Chain, NotationAuthority Expected,
        NotationStoreOptions Store, DateTimeOffset Now)
    {
        private (Rfc3161TimestampTokenInfo? Info, string? Why)? _stamp;

        /// <summary>The signature's only time stamp, by a time stamper of the store; or why there is none that counts.</summary>
        public (Rfc3161TimestampTokenInfo? Info, string? Why) Stamp => _stamp ??= Material.Timestamps is [var token]
            ? TimeStamp.VerifyToken(token, Material.Timestamped.Span, Store.Tsa)
            : (null, $"expected one time stamp by a time stamper of {Expected.Store}, got {Material.Timestamps.Length}");
    }

    private static void Load(SignatureMaterial material, List<X509Certificate2> chain)
    {
        foreach (var der in material.Chain.Prepend(material.Certificate!.Value))
            chain.Add(Certificates.Load(der.Span) ?? throw Bad("expected only certificates in DER in the chain, got something else"));
    }

    private static void RequireIntegrity(Question question)
    {
        var (material, signed, chain, _, store, _) = question;
        var (key, problem) = SigningKey.Of(chain[0]);
        if (key is null) throw Bad($"the signing certificate's key: {problem}");
        if (key.Algorithm != signed.Algorithm) throw Bad($"alg: expected {key.Algorithm} of the key, got {signed.Algorithm}");
        if (!key.Verify(material.SignedBytes.Span, material.Signature.Span))
            throw Bad("the signature is not over this content by the key of the signing certificate");
        if (SigningChain.ProblemOf(chain) is { } wrong) throw Bad(wrong);
        if (RevokedIn(chain, store) is { } revoked)
            throw new RefusedException(
                ReasonCodes.SigKeyRevoked, $"{Printable.Quote(revoked.Subject)} ({Thumbprint(revoked)[..12]}) is listed as revoked");
    }

    private static X509Certificate2? RevokedIn(List<X509Certificate2> chain, NotationStoreOptions store) => store.Revoked.IsEmpty
        ? null
        : chain.Where((one, i) => SigningChain.ThumbprintsOf(one, chain[Math.Min(i + 1, chain.Count - 1)]).Any(store.Revoked.Contains))
            .FirstOrDefault();

    // Runs every check, in the order of the notation tool. Problems that are only noted are part of the verdict.
    private static Checked Evaluate(Question question)
    {
        var notes = new List<string>();
        foreach (var (check, code, find) in Checks)
        {
            var action = question.Expected.ActionOf(check);
            if (action == NotationAction.Skip || find(question) is not { } problem) continue;
            if (action == NotationAction.Enforce) return Checked.Untrusted(code, problem);
            notes.Add(problem);
        }
        var who = $"x509.subject: {question.Chain[0].Subject}";
        var noted = string.Concat(notes.Select(static note => $"; noted only: {note}"));
        // A stamp proves its time whether or not the trust policy asks for one.
        SignedTime? signed = question is { Store.Tsa.IsEmpty: false, Stamp.Info: { } stamp }
            ? new(stamp.Timestamp, SignedTime.Stamp)
            : null;
        var when = signed is null ? "" : $", stamped {Moments.Text(signed.At)}";
        return Checked.Trusted(who, $"signed by {Printable.Quote(who)}{when}{noted}") with { SignedAt = signed };
    }

    private static readonly (NotationCheck, string, Func<Question, string?>)[] Checks =
    [
        (NotationCheck.Authenticity, ReasonCodes.SigNoTrusted, ProblemOfSigner),
        (NotationCheck.Expiry, ReasonCodes.SigTimeInvalid, ProblemOfExpiry),
        (NotationCheck.AuthenticTimestamp, ReasonCodes.SigTimeInvalid, ProblemOfTime),
        (NotationCheck.Revocation, ReasonCodes.SigNoTrusted, ProblemOfRevocation),
    ];

    private static string? ProblemOfSigner(Question question)
    {
        var (_, signed, chain, expected, store, _) = question;
        var (kind, trusted) = signed.BySigningAuthority ? ("signingAuthority", store.SigningAuthority) : ("ca", store.Ca);
        if (!chain.Exists(one => trusted.Any(der => der.Span.SequenceEqual(one.RawDataMemory.Span))))
            return $"no certificate under {kind} of {expected.Store} is in the chain of {Printable.Quote(chain[0].Subject)}; add the root";
        if (expected.AnyIdentity) return null;
        var (subject, problem) = DistinguishedName.Of(chain[0]);
        if (subject is null) return $"{Printable.Quote(chain[0].Subject)} cannot be a trusted identity: {problem}";
        return expected.Identities.Any(identity => identity.IsPartOf(subject))
            ? null
            : $"expected a signature by {Printable.Quote(string.Join("; or ", expected.Identities))}, "
              + $"got {Printable.Quote(subject.ToString())}";
    }

    private static string? ProblemOfExpiry(Question question) => question.Signed.Expiry is { } expiry && question.Now >= expiry
        ? $"the signature expired at {Moments.Text(expiry)}"
        : null;

    private static string? ProblemOfTime(Question question)
    {
        var (_, signed, chain, expected, store, now) = question;
        if (signed.BySigningAuthority) return ProblemAt(chain, signed.SigningTime, signed.SigningTime, "signed, as its authority states,");
        var isStamped = !store.Tsa.IsEmpty && (!expected.StampAfterExpiry || chain.Exists(certificate => now >= End(certificate)));
        if (!isStamped) return ProblemAt(chain, now, now, "checked");
        var (stamp, why) = question.Stamp;
        if (stamp is null) return why;
        var accuracy = TimeSpan.FromMicroseconds(stamp.AccuracyInMicroseconds ?? 0);
        return ProblemAt(chain, stamp.Timestamp - accuracy, stamp.Timestamp + accuracy, "stamped");
    }

    // Both times must be within each certificate's validity. Its last second is already too late, which is the safe side, as in OpenSSL.
    private static string? ProblemAt(List<X509Certificate2> chain, DateTimeOffset from, DateTimeOffset to, string what) =>
        chain.Find(certificate => from < Start(certificate) || to >= End(certificate)) is { } wrong
            ? $"{what} at {Moments.Text(from)}, {Printable.Quote(wrong.Subject)} is valid from {new TimeRange(Start(wrong), End(wrong))}"
            : null;

    // To revoke a root, the operator removes it from the store. Other certificates that name no revocation service can be revoked only
    // by the operator's list.
    private static string? ProblemOfRevocation(Question question)
    {
        var asks = question.Chain.SkipLast(1).FirstOrDefault(
            static one => one.Extensions.Any(static e => e.Oid?.Value is CrlPoints or AuthorityInformation));
        return asks is null
            ? null
            : $"{Printable.Quote(asks.Subject)} names a revocation service, which the gateway does not ask; "
              + "set override: { revocation: log } or skip, and list revoked certificates in the store";
    }

    // The result holds until the next of these times.
    private static DateTimeOffset? ChangeOf(Question question) =>
        question.Chain.SelectMany(static one => new DateTimeOffset?[] { Start(one), End(one) }).Append(question.Signed.Expiry)
            .Where(moment => moment > question.Now).Min();

    private static DateTimeOffset Start(X509Certificate2 certificate) => certificate.NotBefore.ToUniversalTime();

    private static DateTimeOffset End(X509Certificate2 certificate) => certificate.NotAfter.ToUniversalTime();

    private static string Thumbprint(X509Certificate2 certificate) =>
        Convert.ToHexStringLower(SHA256.HashData(certificate.RawDataMemory.Span));

    private static RefusedException Bad(string why) => new(ReasonCodes.SigBad, why);
}
