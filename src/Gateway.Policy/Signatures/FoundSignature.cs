namespace Gateway.Policy.Signatures;

/// <summary>One signature in evidence, or why a layer of it contains no readable signature.</summary>
/// <param name="Layer">Position of its layer in the manifest, from 0.</param>
/// <param name="Material">The signature; null when it could not be read.</param>
/// <param name="Problem">Why it could not be read; null when it could.</param>
internal sealed record FoundSignature(Digest Evidence, int Layer, SignatureMaterial? Material, Checked? Problem)
{
    /// <summary><see cref="Signatures.Evidence.Repository"/> of the manifest.</summary>
    public RepositoryName? Repository { get; init; }
}
