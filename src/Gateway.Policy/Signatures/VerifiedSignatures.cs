using System.Runtime.CompilerServices;

namespace Gateway.Policy.Signatures;

/// <summary>
/// The results of verifying the signatures of one evaluation, so that each signature is verified once for each authority, however many
/// rules, stages and tags need it. For evaluations one after the other.
/// </summary>
internal sealed class VerifiedSignatures
{
    private readonly Dictionary<Key, Checked> _known = [];

    /// <summary>The result for a signature, an authority and a time; verifies now if there is none yet.</summary>
    public Checked Of(SignatureVerifier verifier, AuthorityOptions authority, SignatureMaterial material, DateTimeOffset now)
    {
        var key = new Key(verifier, authority, material, now);
        if (_known.TryGetValue(key, out var known)) return known;
        return _known[key] = verifier.Verify(authority, material, now);
    }

    // By identity: comparing two signatures by value would take as long as hashing all their bytes.
    private readonly struct Key(SignatureVerifier verifier, AuthorityOptions authority, SignatureMaterial material, DateTimeOffset now)
        : IEquatable<Key>
    {
        private readonly SignatureVerifier _verifier = verifier;
        private readonly AuthorityOptions _authority = authority;
        private readonly SignatureMaterial _material = material;
        private readonly DateTimeOffset _now = now;

        public bool Equals(Key other) =>
            ReferenceEquals(_material, other._material) && ReferenceEquals(_authority, other._authority)
            && ReferenceEquals(_verifier, other._verifier) && _now == other._now;

        public override bool Equals(object? obj) => obj is Key other && Equals(other);

        public override int GetHashCode() =>
            HashCode.Combine(RuntimeHelpers.GetHashCode(_material), RuntimeHelpers.GetHashCode(_authority));
    }
}
