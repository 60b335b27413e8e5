namespace Gateway.Policy.Signatures;

/// <summary>The content of a signed payload.</summary>
internal abstract record Claims
{
    private Claims()
    {
    }

    /// <summary>Whether it is about this manifest, compared byte for byte.</summary>
    public abstract bool Names(Digest subject);

    /// <summary>A simple-signing payload (cosign 2, podman).</summary>
    /// <param name="ManifestDigest"><c>critical.image.docker-manifest-digest</c>, as written.</param>
    /// <param name="DockerReference"><c>critical.identity.docker-reference</c>: the repository it was signed for; null or empty when
    /// absent.</param>
    /// <param name="Type"><c>critical.type</c>.</param>
    public sealed record SimpleSigning(string ManifestDigest, string? DockerReference, string Type) : Claims
    {
        public override bool Names(Digest subject) => string.Equals(ManifestDigest, subject.ToString(), StringComparison.Ordinal);
    }

    /// <summary>An in-toto statement in DSSE: a cosign 3 signature, or any attestation.</summary>
    /// <param name="Subjects">Its subjects, as digests (<c>sha256:…</c>) by the names of in-toto's digest set; at most 1024.</param>
    /// <param name="Predicate">The predicate's JSON as written, not yet checked; empty when it is absent.</param>
    public sealed record Statement(string PredicateType, ImmutableArray<string> Subjects, ReadOnlyMemory<byte> Predicate) : Claims
    {
        public override bool Names(Digest subject) => Subjects.Contains(subject.ToString(), StringComparer.Ordinal);
    }

    /// <summary>A payload of the Notary Project.</summary>
    /// <param name="Artifact"><c>targetArtifact</c>, which is also the subject of its manifest.</param>
    public sealed record Target(Descriptor Artifact) : Claims
    {
        public override bool Names(Digest subject) => Artifact.Digest == subject;
    }
}
