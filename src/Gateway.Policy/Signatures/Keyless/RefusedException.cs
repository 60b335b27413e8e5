namespace Gateway.Policy.Signatures.Keyless;

/// <summary>The one way out of a signature that does not count; caught by the verifier that threw it and seen by nobody else.</summary>
internal sealed class RefusedException(string code, string why) : Exception(why)
{
    /// <summary>One of <see cref="ReasonCodes"/>.</summary>
    public string Code => code;
}
