using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy.Signatures.Keyless;

/// <summary>
/// A pinned <c>trusted_root.json</c> (sigstore, protobuf-specs' TrustedRoot): the authorities, logs and time stampers that keyless
/// signatures are checked against. Nothing else is trusted: no system store, no network, no certificate that came with a signature.
/// </summary>
/// <param name="Digest">Digest of the file's bytes: what the policy's revision knows it by.</param>
public sealed record TrustedRoot(Digest Digest)
{
    /// <summary>Who may issue signing certificates (Fulcio).</summary>
    public ImmutableArray<PinnedAuthority> CertificateAuthorities { get; init; } = [];

    /// <summary>Logs that issued certificates are shown to (certificate transparency).</summary>
    internal ImmutableArray<PinnedLog> CertificateLogs { get; init; } = [];

    /// <summary>Logs of signatures (Rekor, of either version).</summary>
    internal ImmutableArray<PinnedLog> SignatureLogs { get; init; } = [];

    /// <summary>Who may sign RFC 3161 time stamps.</summary>
    public ImmutableArray<PinnedAuthority> TimestampAuthorities { get; init; } = [];

    /// <summary>Reads the file's bytes. Exactly one of the two results is null; the problem is one sentence with the place.</summary>
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
/// <param name="Certificates">Its certificates in DER, the root last; before it intermediates, and a time stamper's own first.</param>
/// <param name="ValidFor">When it counts.</param>
public sealed record PinnedAuthority(string Uri, ImmutableArray<ReadOnlyMemory<byte>> Certificates, TimeRange ValidFor);

/// <summary>One log of a trusted root.</summary>
/// <param name="BaseUrl">Its address; for Rekor v2 the host is the name that its checkpoints bear.</param>
/// <param name="Id">What entries and certificates know it by, 32 bytes.</param>
/// <param name="Key">The key that it signs with.</param>
/// <param name="Hash">What it hashes with before it signs; Ed25519 has its own.</param>
/// <param name="ValidFor">When the key counts.</param>
internal sealed record PinnedLog(string BaseUrl, ReadOnlyMemory<byte> Id, VerificationKey Key, SignatureHash Hash, TimeRange ValidFor)
{
    /// <summary>The log in messages.</summary>
    public override string ToString() => $"log {Printable.Quote(BaseUrl)}";
}
