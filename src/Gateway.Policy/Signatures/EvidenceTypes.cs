namespace Gateway.Policy.Signatures;

/// <summary>Media types of cosign, sigstore and Notation, as their code writes them.</summary>
public static class EvidenceTypes
{
    /// <summary>A simple-signing payload (cosign, SIGNATURE_SPEC.md).</summary>
    public const string SimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json";

    /// <summary>A DSSE envelope: cosign 2 stores attestations in it.</summary>
    public const string Dsse = "application/vnd.dsse.envelope.v1+json";

    /// <summary>A current sigstore bundle (protobuf-specs, sigstore_bundle.proto).</summary>
    public const string Bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";

    /// <summary>A Notation signature in JWS (signature-envelope-jws.md).</summary>
    public const string Jws = "application/jose+json";

    /// <summary>A Notation signature in COSE (signature-envelope-cose.md).</summary>
    public const string Cose = "application/cose";

    /// <summary>The older names of a bundle, with the version as a parameter; only inside the bundle's own JSON.</summary>
    public static readonly ImmutableArray<string> OldBundles =
    [
        "application/vnd.dev.sigstore.bundle+json;version=0.1", "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
    ];

    /// <summary>Payload type of an in-toto statement in DSSE.</summary>
    public const string InToto = "application/vnd.in-toto+json";

    /// <summary>The predicate type of a statement that is a signature, not another attestation (cosign 3).</summary>
    public const string SignPredicate = "https://sigstore.dev/cosign/sign/v1";

    /// <summary><c>critical.type</c> of cosign's and podman's simple signing.</summary>
    public const string SimpleSigningClaim = "cosign container image signature";

    /// <summary>
    /// Whether a layer of this type contains a bundle. A layer's type has no parameters, so the older names are without version.
    /// </summary>
    public static bool IsBundle(string mediaType) => mediaType is Bundle or "application/vnd.dev.sigstore.bundle+json";

    /// <summary>Whether a layer of this type is or contains a signature of cosign or Notation.</summary>
    public static bool HoldsSignature(string mediaType) =>
        mediaType is SimpleSigning or Dsse || IsBundle(mediaType) || IsNotation(mediaType);

    /// <summary>Whether a layer of this type is a Notation signature (JWS or COSE).</summary>
    public static bool IsNotation(string mediaType) => mediaType is Jws or Cose;
}
