using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// The tag under which clients list a subject's referrers at a registry without referrers API (distribution-spec, "Referrers Tag Schema").
/// </summary>
public static class ReferrersTag
{
    // The spec truncates the encoded digest to 64 characters.
    private const int LongestHex = 64;

    /// <summary>The tag for a subject: algorithm, hyphen, and the first 64 characters of the encoded digest.</summary>
    public static TagName NameFor(Digest subject) => TagName.Parse($"{subject.AlgorithmName}-{subject.Hex[..LongestHex]}");
}
