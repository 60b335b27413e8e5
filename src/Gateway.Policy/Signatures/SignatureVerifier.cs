using System.Collections.Frozen;
using System.Security.Cryptography.X509Certificates;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Signatures.Notation;

namespace Gateway.Policy.Signatures;

/// <summary>
/// Decides whether an authority made a signature; does not check what the signature states. Pure except for the time passed in; safe for
/// concurrent use.
/// </summary>
internal sealed class SignatureVerifier(TrustOptions trust)
{
    private readonly FrozenSet<string> _revoked =
        trust.Keys.Values.Where(static key => key.RevokedAt is not null).Select(static key => key.Key.Fingerprint).ToFrozenSet();

    private readonly ImmutableArray<TrustedRoot> _roots = [.. trust.Keyless.Values.Select(static root => root.Root)];
    private readonly ImmutableArray<PinnedLog> _logs = [.. trust.Keyless.Values.SelectMany(static root => root.Root.SignatureLogs)];

    private long _verified;

    /// <summary>How many signatures were verified.</summary>
    public long Verified => Interlocked.Read(ref _verified);

    /// <summary>Checks one signature against one authority.</summary>
    /// <param name="now">The time of the evaluation; a trusted root can be stale and a certificate expired at that time.</param>
    public Checked Verify(AuthorityOptions authority, SignatureMaterial material, DateTimeOffset now)
    {
        Interlocked.Increment(ref _verified);
        if (authority.Notation is { } notation) return NotationVerifier.Verify(material, authority, trust.Notation[notation.Store], now);
        if (material.Notation is not null)
            return Checked.Untrusted(ReasonCodes.SigNoTrusted, $"a Notation signature, which {authority.Id} does not sign with");
        return authority.Keyless is { } keyless
            ? KeylessVerifier.Verify(material, authority, trust.Keyless[keyless.Root], now).Checked
            : VerifyKeyed(authority, material);
    }

    private Checked VerifyKeyed(AuthorityOptions authority, SignatureMaterial material)
    {
        Checked? best = null;
        foreach (var id in authority.AnyOf)
        {
            var options = trust.Keys[id];
            if (!options.Key.Verify(material.SignedBytes.Span, material.Signature.Span, options.Hash)) continue;
            var found = CheckKey(id, options, authority, material);
            if (found.IsTrusted) return found;
            best ??= found;
        }
        return best ?? NotMadeBy(authority, material);
    }

    // The key made the signature; the rest checks whether the key counts, and the time.
    private Checked CheckKey(string id, KeyOptions options, AuthorityOptions authority, SignatureMaterial material)
    {
        var who = $"key {id} ({Short(options.Key.Fingerprint)})";
        if (_revoked.Contains(options.Key.Fingerprint))
            return Checked.Untrusted(ReasonCodes.SigKeyRevoked, $"signed by {who}, which is revoked");
        var log = TransparencyLog.Check(material, options.Key.Spki.Span, authority.Tlog, _logs);
        if (log.Why is { } why) return Checked.Untrusted(ReasonCodes.SigTlogInvalid, $"signed by {who}, but {why}");
        var signed = SignedTime.Earliest(log.Times, TimeStamp.TimesOf(material, _roots).Times);
        var at = signed?.At < material.FirstSeen ? signed.At : material.FirstSeen; // what others saw before us was there before
        if (at < options.NotBefore)
            return Checked.Untrusted(
                ReasonCodes.SigTimeInvalid,
                $"signed by {who}, seen {Moments.Text(at)}, before the key's notBefore {Moments.Text(options.NotBefore.Value)}");
        if (at >= options.RetiredAt)
            return Checked.Untrusted(
                ReasonCodes.SigKeyRetired,
                $"signed by {who}, first seen {Moments.Text(at)}, after the key was retired at {Moments.Text(options.RetiredAt.Value)}");
        var when = signed is null ? "" : $" at {Moments.Text(signed.At)}";
        return Checked.Trusted(options.Key.Fingerprint, $"signed by {who}{when}") with { SignedAt = signed };
    }

    // The scheme gives no hint about another signer; the key hint of the signature can.
    private Checked NotMadeBy(AuthorityOptions authority, SignatureMaterial material)
    {
        var keys = authority.AnyOf.Select(id => (Id: id, trust.Keys[id].Key.Fingerprint)).ToList();
        var expected = string.Join(" or ", keys.Select(static key => $"key {key.Id} ({Short(key.Fingerprint)})"));
        var found = FoundKey(material);
        return found is null || keys.Any(key => key.Fingerprint == found)
            ? Checked.Untrusted(ReasonCodes.SigBad, $"expected a signature by {expected}, got one that does not verify with it")
            : Checked.Untrusted(ReasonCodes.SigNoTrusted, $"expected a signature by {expected}, got one by {Short(found)}");
    }

    // The fingerprint of the key that the signature names; null when it names none.
    private static string? FoundKey(SignatureMaterial material)
    {
        if (material.Certificate is { } der) return FingerprintOf(der);
        // cosign writes the hash of the key in base64.
        var hint = new byte[64];
        return material.KeyHint is { Length: <= 64 } text && Convert.TryFromBase64String(text, hint, out var length) && length == 32
            ? $"SHA256:{Convert.ToHexStringLower(hint.AsSpan(0, length))}"
            : null;
    }

    private static string? FingerprintOf(ReadOnlyMemory<byte> der)
    {
        try
        {
            using var certificate = X509CertificateLoader.LoadCertificate(der.Span);
            return VerificationKey.Of(certificate).Key?.Fingerprint;
        }
        catch (System.Security.Cryptography.CryptographicException)
        {
            return null;
        }
    }

    // Enough for a person to tell keys apart.
    private static string Short(string fingerprint) => fingerprint[..19];
}
