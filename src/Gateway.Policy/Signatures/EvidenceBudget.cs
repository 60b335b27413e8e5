namespace Gateway.Policy.Signatures;

/// <summary>
/// How much evidence one evaluation reads. Without such limits a pusher could make the registry read forever (CVE-2023-46737). The rest is
/// not read, and a rule that is not satisfied by then gives <c>EVIDENCE_BUDGET</c>.
/// </summary>
public static class EvidenceBudget
{
    /// <summary>Most manifests that are read for one subject. Chosen: a release has a handful of signatures and attestations.</summary>
    public const int MaxManifests = 64;

    /// <summary>Most signatures that are checked for one subject. Chosen; cosign reads up to 1000 of one manifest.</summary>
    public const int MaxSignatures = 256;

    /// <summary>Largest simple-signing payload in bytes. Chosen: real ones have 300.</summary>
    public const int MaxPayload = 1 << 20;

    /// <summary>
    /// Largest DSSE envelope, bundle or attestation in bytes: what BuildKit reads of one attestation (moby/buildkit#7104). Signatures
    /// have 10 KiB.
    /// </summary>
    public const int MaxAttestation = 80 << 20;

    /// <summary>Largest Notation signature in bytes. Chosen: ten certificates and a time stamp at their largest; real ones 3 KiB.</summary>
    public const int MaxNotation = 320 << 10;

    /// <summary>Most bytes of all layers together. Chosen: one of the largest attestations, and many signatures.</summary>
    public const int MaxBytes = 96 << 20;

    /// <summary>Longest evaluation, by the caller's clock; the caller cancels the token that it passes.</summary>
    public static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(5);

    /// <summary>Most bytes of this layer that are read; 0 for a layer that is not evidence.</summary>
    public static int MaxBytesOf(Descriptor layer) => layer.MediaType switch
    {
        EvidenceTypes.SimpleSigning => MaxPayload,
        EvidenceTypes.Dsse => MaxAttestation,
        _ when EvidenceTypes.IsBundle(layer.MediaType) => MaxAttestation,
        _ when EvidenceTypes.IsNotation(layer.MediaType) => MaxNotation,
        _ => 0,
    };
}
