using Gateway.Oci;

namespace Gateway.Policy.Signatures.Keyless;

/// <summary>A pinned <c>trusted_root.json</c>: the authorities, logs and time stampers that keyless signatures are checked against.</summary>
/// <param name="Digest">Digest of the file's bytes: what the policy's revision knows it by.</param>
public sealed record TrustedRoot(Digest Digest);
