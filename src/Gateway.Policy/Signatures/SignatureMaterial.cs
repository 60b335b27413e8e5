using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy.Signatures.Notation;

namespace Gateway.Policy.Signatures;

/// <summary>How a signature is stored beside what it signs; <c>formats</c> of a rule names them.</summary>
public enum SignatureFormat
{
    /// <summary>cosign 2: a manifest under the tag <c>sha256-….sig</c> or <c>….att</c>, one layer a signature.</summary>
    Legacy,

    /// <summary>A sigstore bundle, one layer of a referrer: cosign 3.</summary>
    Bundle,

    /// <summary>The layers of <see cref="Legacy"/> in a referrer (cosign's <c>--registry-referrers-mode=oci-1-1</c>).</summary>
    ReferrerLegacy,

    /// <summary>A signature of the Notary Project, the one layer of a referrer.</summary>
    Notation,
}

/// <summary>
/// One signature as it was found, with everything that came beside it. Nothing of it is believed before it is verified; the scheme is not
/// among it, for that is the configured key's to say.
/// </summary>
internal sealed record SignatureMaterial
{
    /// <summary>The manifest that it was found in.</summary>
    public required Digest Evidence { get; init; }

    /// <summary>Which of the manifest's layers it is, from 0.</summary>
    public required int Layer { get; init; }

    /// <summary>How it is stored.</summary>
    public required SignatureFormat Format { get; init; }

    /// <summary>When this gateway first stored the manifest.</summary>
    public required DateTimeOffset FirstSeen { get; init; }

    /// <summary>The bytes that the signature is over: the payload of simple signing, or DSSE's pre-authentication encoding.</summary>
    public required ReadOnlyMemory<byte> SignedBytes { get; init; }

    /// <summary>The signature's own bytes.</summary>
    public required ReadOnlyMemory<byte> Signature { get; init; }

    /// <summary>What the payload says, if the signature is good.</summary>
    public required Claims Claims { get; init; }

    /// <summary>The payload as it was before encoding: equal to <see cref="SignedBytes"/> for simple signing.</summary>
    public required ReadOnlyMemory<byte> Payload { get; init; }

    /// <summary>The bundle's hint at a key; only for display.</summary>
    public string? KeyHint { get; init; }

    /// <summary>The leaf certificate in DER; null when the signer used a bare key.</summary>
    public ReadOnlyMemory<byte>? Certificate { get; init; }

    /// <summary>Further certificates in DER that came along, which never add a root.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Chain { get; init; } = [];

    /// <summary>Entries of transparency logs; at most 32 (sigstore-go's bound).</summary>
    public ImmutableArray<LogEntry> LogEntries { get; init; } = [];

    /// <summary>What <see cref="Timestamps"/> are over: the signature, but cosign 2 stamps an attestation's whole envelope.</summary>
    public required ReadOnlyMemory<byte> Timestamped { get; init; }

    /// <summary>
    /// RFC 3161 time stamps over <see cref="Timestamped"/>, each a TimeStampResp in DER; at most 32 (sigstore-go's bound).
    /// </summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Timestamps { get; init; } = [];

    /// <summary>What a Notation signature says of itself, whose time stamps are tokens without a response; null for others.</summary>
    public NotationAttributes? Notation { get; init; }
}

/// <summary>An entry of a transparency log (Rekor), as it came with a signature.</summary>
internal sealed record LogEntry
{
    /// <summary>Position in the log, over all its shards.</summary>
    public required long LogIndex { get; init; }

    /// <summary>The log's id: SHA-256 of its key, or the hash of its checkpoint's key in Rekor v2.</summary>
    public required ReadOnlyMemory<byte> LogId { get; init; }

    /// <summary>Kind of the entry, such as <c>hashedrekord</c>; null where only the body says.</summary>
    public string? Kind { get; init; }

    /// <summary>Version of the kind, such as <c>0.0.1</c>; null where only the body says.</summary>
    public string? KindVersion { get; init; }

    /// <summary>When the log says it took the entry; null when it says nothing (Rekor v2). Signed only by the promise.</summary>
    public DateTimeOffset? IntegratedTime { get; init; }

    /// <summary>The log's promise (signed entry timestamp); null when there is none.</summary>
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
/// <param name="Hashes">The way to the root, leaf first; at most 64 hashes of 32 bytes.</param>
/// <param name="Checkpoint">The signed note that vouches for the root; null when there is none.</param>
internal sealed record InclusionProof(
    long LogIndex, long TreeSize, ReadOnlyMemory<byte> RootHash, ImmutableArray<ReadOnlyMemory<byte>> Hashes, string? Checkpoint);

/// <summary>
/// Says that there are no bytes. A bare <c>null</c> beside bytes in a conditional becomes a null array, and that an empty
/// <see cref="ReadOnlyMemory{T}"/>: there, and empty.
/// </summary>
internal static class NoBytes
{
    public static ReadOnlyMemory<byte>? Here => null;
}
