using Gateway.Policy.Signatures.Notation;

namespace Gateway.Policy.Signatures;

/// <summary>How a signature is stored with its subject; <c>formats</c> of a rule names these.</summary>
public enum SignatureFormat
{
    /// <summary>cosign 2: a manifest under the tag <c>sha256-….sig</c> or <c>….att</c>, with one layer for each signature.</summary>
    Legacy,

    /// <summary>A sigstore bundle, one layer of a referrer: cosign 3.</summary>
    Bundle,

    /// <summary>The layers of <see cref="Legacy"/> in a referrer (cosign's <c>--registry-referrers-mode=oci-1-1</c>).</summary>
    ReferrerLegacy,

    /// <summary>A signature of the Notary Project, the one layer of a referrer.</summary>
    Notation,
}

/// <summary>
/// One signature as it was found, with its certificate, log entries and time stamps. Nothing in it is trusted before it is verified. The
/// scheme is not part of it: the configured key decides it.
/// </summary>
internal sealed record SignatureMaterial
{
    /// <summary>How it is stored.</summary>
    public required SignatureFormat Format { get; init; }

    /// <summary>When this gateway first stored the manifest.</summary>
    public required DateTimeOffset FirstSeen { get; init; }

    /// <summary>The bytes that the signature is over: the payload of simple signing, or DSSE's pre-authentication encoding.</summary>
    public required ReadOnlyMemory<byte> SignedBytes { get; init; }

    /// <summary>The bytes of the signature.</summary>
    public required ReadOnlyMemory<byte> Signature { get; init; }

    /// <summary>The content of the payload; trusted only if the signature is valid.</summary>
    public required Claims Claims { get; init; }

    /// <summary>The payload before encoding: equal to <see cref="SignedBytes"/> for simple signing.</summary>
    public required ReadOnlyMemory<byte> Payload { get; init; }

    /// <summary>The bundle's key hint; only for display.</summary>
    public string? KeyHint { get; init; }

    /// <summary>The leaf certificate in DER; null when the signer used a bare key.</summary>
    public ReadOnlyMemory<byte>? Certificate { get; init; }

    /// <summary>Further certificates in DER from the signature; they never add a root.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Chain { get; init; } = [];

    /// <summary>Entries of transparency logs; at most 32 (sigstore-go's bound).</summary>
    public ImmutableArray<LogEntry> LogEntries { get; init; } = [];

    /// <summary>
    /// The bytes that <see cref="Timestamps"/> are over: the signature, but cosign 2 stamps the whole envelope of an attestation.
    /// </summary>
    public required ReadOnlyMemory<byte> Timestamped { get; init; }

    /// <summary>
    /// RFC 3161 time stamps over <see cref="Timestamped"/>, each a TimeStampResp in DER; at most 32 (sigstore-go's bound).
    /// </summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Timestamps { get; init; } = [];

    /// <summary>
    /// The signed attributes of a Notation signature, whose time stamps are tokens without a response; null for other formats.
    /// </summary>
    public NotationAttributes? Notation { get; init; }
}

/// <summary>An entry of a transparency log (Rekor) that a signature contains.</summary>
internal sealed record LogEntry
{
    /// <summary>Position in the log, over all its shards.</summary>
    public required long LogIndex { get; init; }

    /// <summary>The log's id: SHA-256 of its key, or the hash of its checkpoint's key in Rekor v2.</summary>
    public required ReadOnlyMemory<byte> LogId { get; init; }

    /// <summary>Kind of the entry, such as <c>hashedrekord</c>; null when only the body states it.</summary>
    public string? Kind { get; init; }

    /// <summary>Version of the kind, such as <c>0.0.1</c>; null when only the body states it.</summary>
    public string? KindVersion { get; init; }

    /// <summary>
    /// When the log accepted the entry, by its statement; null when absent (Rekor v2). Only the signed entry timestamp proves it.
    /// </summary>
    public DateTimeOffset? IntegratedTime { get; init; }

    /// <summary>The log's signed entry timestamp; null when absent.</summary>
    public ReadOnlyMemory<byte>? SignedEntryTimestamp { get; init; }

    /// <summary>The proof that the entry is in the log; null when there is none.</summary>
    public InclusionProof? Proof { get; init; }

    /// <summary>The entry as the log hashed it.</summary>
    public required ReadOnlyMemory<byte> CanonicalizedBody { get; init; }
}

/// <summary>A Merkle inclusion proof (RFC 6962 §2.1.1) with the signed checkpoint that it leads to.</summary>
/// <param name="LogIndex">Position in the tree.</param>
/// <param name="TreeSize">Leaves of the tree.</param>
/// <param name="RootHash">Hash of the tree's root, 32 bytes.</param>
/// <param name="Hashes">The path to the root, leaf first; at most 64 hashes of 32 bytes.</param>
/// <param name="Checkpoint">The signed note that confirms the root; null when absent.</param>
internal sealed record InclusionProof(
    long LogIndex, long TreeSize, ReadOnlyMemory<byte> RootHash, ImmutableArray<ReadOnlyMemory<byte>> Hashes, string? Checkpoint);

/// <summary>
/// Returns null as <see cref="ReadOnlyMemory{T}"/>?. In a conditional with bytes, a bare <c>null</c> becomes a null array, and that an
/// empty, present <see cref="ReadOnlyMemory{T}"/>.
/// </summary>
internal static class NoBytes
{
    public static ReadOnlyMemory<byte>? Here => null;
}
