namespace Gateway.Policy.Signatures;

/// <summary>The result of checking one signature.</summary>
/// <param name="Code">One of <see cref="ReasonCodes"/>; null when the signature is trusted.</param>
/// <param name="Why">One printable line: the signer, or why the signature does not count (expected and found).</param>
/// <param name="Signer">The signer, the same for every configuration of it: <c>SHA256:…</c> of a public key, or issuer and subject of a
/// certificate, or a subject. N of M counts these. Null unless trusted.</param>
internal sealed record Checked(string? Code, string Why, string? Signer)
{
    /// <summary>When the result can change; null if time alone never changes it.</summary>
    public DateTimeOffset? ChangesAt { get; init; }

    /// <summary>The earliest proven time of the signature; null when none is proven, and unless trusted.</summary>
    public SignedTime? SignedAt { get; init; }

    /// <summary>Whether the signature counts.</summary>
    public bool IsTrusted => Code is null;

    /// <summary>A signature that counts.</summary>
    public static Checked Trusted(string signer, string why) => new(null, Oci.Printable.Line(why), signer);

    /// <summary>A signature that does not count.</summary>
    public static Checked Untrusted(string code, string why) => new(code, Oci.Printable.Line(why), null);
}
