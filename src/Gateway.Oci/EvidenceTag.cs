namespace Gateway.Oci;

/// <summary>
/// A tag under which clients look for evidence about a manifest: <c>sha256-&lt;hex&gt;</c> with cosign's suffix <c>.sig</c>, <c>.att</c>
/// or <c>.sbom</c> (SIGNATURE_SPEC.md). The bare tag holds an index of referrers for clients without the referrers API (distribution-spec,
/// "Referrers Tag Schema").
/// </summary>
/// <param name="Subject">The manifest that the tag is about.</param>
/// <param name="Suffix">The suffix with its dot; empty for the bare tag.</param>
public readonly record struct EvidenceTag(Digest Subject, string Suffix)
{
    /// <summary>The suffix of cosign's signatures.</summary>
    public const string Signature = ".sig";

    /// <summary>The suffix of cosign's attestations.</summary>
    public const string Attestation = ".att";

    private const string Prefix = "sha256-";

    private static readonly string[] Suffixes = [Signature, Attestation, ".sbom"];

    /// <summary>Whether this is the bare tag. <c>cosign copy</c> gives it to the manifest of that digest itself too.</summary>
    public bool IsBare => Suffix.Length == 0;

    /// <summary>The bare tag of a subject: the algorithm and the first 64 hex digits, as the spec truncates them.</summary>
    public static TagName BareOf(Digest subject) => TagName.Parse($"{subject.AlgorithmName}-{subject.Hex[..64]}");

    /// <summary>The tag with this suffix of a subject by SHA-256.</summary>
    public static TagName Of(Digest subject, string suffix) => TagName.Parse($"{Prefix}{subject.Hex}{suffix}");

    /// <summary>The tags with a suffix of a subject by SHA-256.</summary>
    public static IEnumerable<TagName> SuffixedOf(Digest subject) => Suffixes.Select(suffix => Of(subject, suffix));

    /// <summary>Parses a tag; null for any other tag.</summary>
    public static EvidenceTag? Parse(TagName tag)
    {
        if (!tag.Value.StartsWith(Prefix, StringComparison.Ordinal)) return null;
        var suffix = Suffixes.FirstOrDefault(suffix => tag.Value.EndsWith(suffix, StringComparison.Ordinal)) ?? "";
        return Digest.TryParse($"sha256:{tag.Value.AsSpan()[Prefix.Length..^suffix.Length]}", out var subject)
            ? new(subject, suffix)
            : null;
    }
}
