namespace Gateway.Policy.Signatures.Keyless;

/// <summary>
/// A pinned <c>trusted_root.json</c> (sigstore, protobuf-specs' TrustedRoot): the authorities, logs and time stampers that keyless
/// signatures are checked against. Nothing else is trusted: no system store, no network, no certificate from a signature.
/// </summary>
/// <param name="Digest">Digest of the file's bytes, which identifies it in the policy's revision.</param>
public sealed record TrustedRoot(Digest Digest)
{
    /// <summary>The authorities that can issue signing certificates (Fulcio).</summary>
    public ImmutableArray<PinnedAuthority> CertificateAuthorities { get; init; } = [];

    /// <summary>The logs of issued certificates (certificate transparency).</summary>
    internal ImmutableArray<PinnedLog> CertificateLogs { get; init; } = [];

    /// <summary>The logs of signatures (Rekor, of either version).</summary>
    internal ImmutableArray<PinnedLog> SignatureLogs { get; init; } = [];

    /// <summary>The time stampers that can sign RFC 3161 time stamps.</summary>
    public ImmutableArray<PinnedAuthority> TimestampAuthorities { get; init; } = [];

    /// <summary>
    /// Reads the file's bytes. Exactly one of the two results is null; the problem is one sentence that names the place.
    /// </summary>
    public static (TrustedRoot? Root, string? Problem) Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            return (TrustedRootReader.Read(json), null);
        }
        catch (ManifestProblemException e)
        {
            return (null, e.Problem.Message);
        }
    }
}

/// <summary>One certificate authority or time stamper of a trusted root.</summary>
/// <param name="Uri">Its address, only for messages.</param>
/// <param name="Certificates">Its certificates in DER: the root last, intermediates before it, and a time stamper's own first.</param>
/// <param name="ValidFor">When its signatures count.</param>
public sealed record PinnedAuthority(string Uri, ImmutableArray<ReadOnlyMemory<byte>> Certificates, TimeRange ValidFor);

/// <param name="BaseUrl">Its address; for Rekor v2 the host is the name in its checkpoints.</param>
/// <param name="Id">Its id in entries and certificates, 32 bytes.</param>
/// <param name="Key">The key that it signs with.</param>
/// <param name="Hash">The hash of its signatures; Ed25519 has its own.</param>
/// <param name="ValidFor">When the key counts.</param>
internal sealed record PinnedLog(string BaseUrl, ReadOnlyMemory<byte> Id, VerificationKey Key, SignatureHash Hash, TimeRange ValidFor)
{
    /// <summary>The log in messages.</summary>
    public override string ToString() => $"log {Printable.Quote(BaseUrl)}";
}
