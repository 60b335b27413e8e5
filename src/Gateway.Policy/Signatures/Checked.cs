namespace Gateway.Policy.Signatures;

/// <summary>What came of checking one signature.</summary>
/// <param name="Code">One of <see cref="ReasonCodes"/>; null when the signature is trusted.</param>
/// <param name="Why">One printable line: who signed, or why it does not count (expected and found).</param>
/// <param name="Signer">Who signed, the same for the same signer however it is configured: <c>SHA256:…</c> of a public key, or issuer and
/// subject of a certificate, or a subject. What N of M counts. Null unless trusted.</param>
internal sealed record Checked(string? Code, string Why, string? Signer)
{
    /// <summary>When it may be another answer; null for never by time alone.</summary>
    public DateTimeOffset? ChangesAt { get; init; }

    /// <summary>The earliest moment at which it provably existed; null where nothing proves one, and unless trusted.</summary>
    public SignedTime? SignedAt { get; init; }

    /// <summary>Whether the signature counts.</summary>
    public bool IsTrusted => Code is null;

    /// <summary>A signature that counts.</summary>
    public static Checked Trusted(string signer, string why) => new(null, Oci.Printable.Line(why), signer);

    /// <summary>A signature that does not.</summary>
    public static Checked Untrusted(string code, string why) => new(code, Oci.Printable.Line(why), null);
}
