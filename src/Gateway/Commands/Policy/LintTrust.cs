using Gateway.Policy;
using Gateway.Policy.Signatures;

namespace Gateway.Commands.Policy;

/// <summary>Likely mistakes in keys, roots and authorities.</summary>
internal static class LintTrust
{
    // NIST SP 800-57 part 1 rev. 5, table 4: 2048 bits are for use until 2030.
    private const int FairRsaBits = 3072;

    // Enough time to fetch a new root, or to sign with the next key.
    private static readonly TimeSpan Soon = TimeSpan.FromDays(7);

    public static IEnumerable<LintFinding> Of(PolicyOptions policy, DateTimeOffset now)
    {
        var trust = policy.Trust;
        var asked = policy.Rules.SelectMany(static rule => AuthoritiesOf(rule.Require)).ToHashSet(StringComparer.Ordinal);
        var used = trust.Authorities.Values.Where(one => asked.Contains(one.Id)).ToArray();
        foreach (var id in trust.Authorities.Keys.Where(id => !asked.Contains(id)))
            yield return new(
                $"policy.trust.authorities.{id}", "AUTHORITY_UNUSED", "no rule uses this authority",
                "add it to a rule's signatures or attestations, or remove it");
        foreach (var (id, key) in trust.Keys)
        {
            foreach (var finding in OfKey(id, key, trust, now)) yield return finding;
        }
        foreach (var (name, root) in trust.Keyless)
        {
            foreach (var finding in OfRoot($"policy.trust.keyless.{name}", name, root, trust, now)) yield return finding;
        }
        foreach (var (name, store) in trust.Notation)
        {
            foreach (var finding in LintNotation.OfStore(name, store, trust, now)) yield return finding;
        }
        foreach (var finding in used.SelectMany(authority => OfAuthority(authority, trust, now))) yield return finding;
    }

    private static IEnumerable<string> AuthoritiesOf(RequireOptions require) =>
        require.Signatures.Select(static one => one.Authority).Concat(require.Attestations.Select(static one => one.Authority));

    private static IEnumerable<LintFinding> OfKey(string id, KeyOptions key, TrustOptions trust, DateTimeOffset now)
    {
        var path = $"policy.trust.keys.{id}";
        // An unused revoked key still has an effect: no signature by it counts, under any id.
        if (key.RevokedAt is null && !trust.Authorities.Values.Any(authority => authority.AnyOf.Contains(id)))
            yield return new(path, "KEY_UNUSED", "no authority uses this key", "add it to anyOf of an authority, or remove it");
        if (key.Key is { Algorithm: KeyAlgorithm.Rsa, Bits: var bits and < FairRsaBits })
            yield return new(
                $"{path}.pem", "KEY_WEAK", $"RSA of {bits} bits",
                $"sign with a key of {FairRsaBits} bits, ECDSA P-256 or Ed25519, and retire this one");
        if (key.RetiredAt > now && key.RetiredAt - now < Soon)
            yield return new(
                $"{path}.retiredAt", "KEY_RETIRES_SOON", $"later signatures than {Moments.Day(key.RetiredAt.Value)} do not count",
                "add the next key to anyOf before then");
        if (key.NotBefore > now)
            yield return new(
                $"{path}.notBefore", "KEY_NOT_YET", $"no signature by this key counts before {Moments.Day(key.NotBefore.Value)}",
                "check the year, or wait");
        if (key.RetiredAt <= key.NotBefore)
            yield return new(
                $"{path}.retiredAt", "KEY_NEVER", "retiredAt is before notBefore, so no signature by this key ever counts",
                "check both moments");
        var twin = trust.Keys.FirstOrDefault(other => other.Value.Key.Fingerprint == key.Key.Fingerprint).Key;
        if (twin != id)
            yield return new(path, "KEY_TWICE", $"the same key as {twin}; it counts as one signer", "keep one of the two");
    }

    private static IEnumerable<LintFinding> OfRoot(
        string path, string name, KeylessRootOptions root, TrustOptions trust, DateTimeOffset now)
    {
        var byKeys = trust.Authorities.Values.Any(static authority => !authority.AnyOf.IsEmpty && authority.Tlog != TlogMode.Ignore);
        if (!byKeys && !trust.Authorities.Values.Any(authority => authority.Keyless?.Root == name))
            yield return new(path, "ROOT_UNUSED", "no authority uses this root", "set it as keyless of an authority, or remove it");
        if (root is not { ReadFrom: { } written, MaxAge: { } most }) yield break;
        if (written + most <= now)
            yield return new(
                $"{path}.trustedRoot", "ROOT_STALE",
                $"the file is from {Moments.Day(written)}, older than maxAge: no keyless signature counts (TRUST_STALE)",
                "fetch the trusted root again");
        else if (written + most - now < Soon)
            yield return new(
                $"{path}.trustedRoot", "ROOT_STALE_SOON", $"from {Moments.Day(written + most)} no keyless signature counts",
                "fetch the trusted root again");
    }

    private static IEnumerable<LintFinding> OfAuthority(AuthorityOptions authority, TrustOptions trust, DateTimeOffset now)
    {
        var path = $"policy.trust.authorities.{authority.Id}";
        if (!authority.AnyOf.IsEmpty && authority.AnyOf.All(id => !IsInUse(trust.Keys[id], now)))
            yield return new(
                $"{path}.anyOf", "AUTHORITY_WITHOUT_KEY", "each of its keys is retired or revoked, so new signatures do not count",
                "add the current key");
        if (authority.Notation is { TakesAnybody: true })
            yield return new(
                $"{path}.level", "AUTHORITY_ANYBODY", "authenticity is only logged, so every signature counts",
                "use level permissive or strict, and mode: audit of the rule to try it first");
        if (authority.Keyless is not { } keyless) yield break;
        if (authority.Tlog == TlogMode.Ignore)
            yield return new(
                $"{path}.tlog", "TLOG_IGNORED", "signatures in this identity's name cannot be detected",
                "remove tlog: keyless authorities require an entry");
        if (keyless.SubjectPattern is { } pattern && IsOpen(pattern))
            yield return new(
                $"{path}.subject", "SUBJECT_OPEN", $"'{pattern}' begins with a wildcard: strangers of the same issuer could match",
                "begin with a part that only you can have, such as https://github.com/you/");
    }

    private static bool IsInUse(KeyOptions key, DateTimeOffset now) => key.RevokedAt is null && !(key.RetiredAt <= now);

    // `*@acme.example` ends in one domain; `https://**` does not.
    private static bool IsOpen(string pattern)
    {
        if (pattern.StartsWith("*@", StringComparison.Ordinal) && !pattern[2..].Contains('*', StringComparison.Ordinal)) return false;
        var fixedPart = pattern.Split('*')[0];
        var scheme = fixedPart.IndexOf("://", StringComparison.Ordinal);
        // In a URL, a whole segment after the host must be fixed; otherwise every account of the host matches.
        return scheme < 0 ? fixedPart.Length == 0 : fixedPart[(scheme + 3)..].Count(static c => c == '/') < 2;
    }
}
