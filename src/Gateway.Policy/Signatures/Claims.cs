using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy.Signatures;

/// <summary>What a signed payload says.</summary>
internal abstract record Claims
{
    private Claims()
    {
    }

    /// <summary>Whether it speaks of this manifest, compared byte for byte.</summary>
    public abstract bool Names(Digest subject);

    /// <summary>A simple-signing payload (cosign 2, podman).</summary>
    /// <param name="ManifestDigest"><c>critical.image.docker-manifest-digest</c>, as it stands there.</param>
    /// <param name="DockerReference"><c>critical.identity.docker-reference</c>: the repository it was signed for; null or empty when
    /// left out.</param>
    /// <param name="Type"><c>critical.type</c>.</param>
    public sealed record SimpleSigning(string ManifestDigest, string? DockerReference, string Type) : Claims
    {
        /// <inheritdoc/>
        public override bool Names(Digest subject) => string.Equals(ManifestDigest, subject.ToString(), StringComparison.Ordinal);
    }

    /// <summary>An in-toto statement in DSSE: a cosign 3 signature, or any attestation.</summary>
    /// <param name="PredicateType">What kind of statement it is.</param>
    /// <param name="Subjects">What it speaks of, as digests (<c>sha256:…</c>) by the names of in-toto's digest set; at most 1024.</param>
    /// <param name="Predicate">The predicate's JSON as it stands there, not yet checked; empty when it is absent.</param>
    public sealed record Statement(string PredicateType, ImmutableArray<string> Subjects, ReadOnlyMemory<byte> Predicate) : Claims
    {
        /// <inheritdoc/>
        public override bool Names(Digest subject) => Subjects.Contains(subject.ToString(), StringComparer.Ordinal);
    }

    /// <summary>A payload of the Notary Project.</summary>
    /// <param name="Artifact"><c>targetArtifact</c>, which is the subject of its manifest too.</param>
    public sealed record Target(Descriptor Artifact) : Claims
    {
        /// <inheritdoc/>
        public override bool Names(Digest subject) => Artifact.Digest == subject;
    }
}
