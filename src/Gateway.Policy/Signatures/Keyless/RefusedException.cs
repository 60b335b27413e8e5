namespace Gateway.Policy.Signatures.Keyless;

/// <summary>Ends the check of a signature that does not count. The verifier that threw it catches it; no other caller sees it.</summary>
internal sealed class RefusedException(string code, string why) : Exception(why)
{
    /// <summary>One of <see cref="ReasonCodes"/>.</summary>
    public string Code => code;
}
