using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// Writes to one repository of an upstream. Every call may be made again: what is there already is left alone. Throws
/// <see cref="UpstreamException"/> when the upstream does not take it; what <c>open</c> throws passes through.
/// </summary>
/// <param name="name">The upstream's own name of the repository.</param>
internal sealed class UpstreamWriter(IUpstreamRegistry registry, RepositoryName name)
{
    /// <summary>Whether the upstream has this blob in this repository.</summary>
    public Task<bool> HasBlobAsync(Digest digest, CancellationToken cancellationToken) =>
        throw new NotImplementedException($"{registry.Options.Key} {name}");

    /// <summary>Makes the upstream have this blob. Nothing is sent when it has.</summary>
    /// <param name="length">Of the whole blob, in bytes.</param>
    /// <param name="open">The blob's bytes from an offset on; called again after a cut.</param>
    public Task PutBlobAsync(
        Digest digest, long length, Func<long, CancellationToken, ValueTask<Stream>> open, CancellationToken cancellationToken) =>
        throw new NotImplementedException();

    /// <summary>
    /// Makes the upstream have this manifest, bound to the tag where the reference is one. One with a subject is listed among the subject's
    /// referrers afterwards: by the upstream itself, or under the fallback tag where it has no referrers API.
    /// </summary>
    /// <param name="manifest">As read from <paramref name="bytes"/>.</param>
    public Task PutManifestAsync(
        Reference reference, Digest digest, Manifest manifest, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        throw new NotImplementedException();

    /// <summary>Deletes a tag or manifest, or a blob by its digest; false when there was nothing.</summary>
    /// <param name="noun"><see cref="UpstreamNoun.Manifest"/> or <see cref="UpstreamNoun.Blob"/>.</param>
    public Task<bool> DeleteAsync(UpstreamNoun noun, string reference, CancellationToken cancellationToken) =>
        throw new NotImplementedException();
}
