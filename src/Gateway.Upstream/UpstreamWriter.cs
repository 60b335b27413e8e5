using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// Writes to one repository of an upstream. Every call may be made again: what is there already is left alone. Throws
/// <see cref="UpstreamException"/> when the upstream does not take it; what a blob's source throws passes through.
/// </summary>
/// <param name="name">The upstream's own name of the repository.</param>
public sealed class UpstreamWriter(IUpstreamRegistry registry, RepositoryName name, TimeProvider clock)
{
    // distribution-spec, "Endpoints": what PUT answers.
    private const int Created = 201;

    private readonly ReferrersTag _referrers = new(registry, name, clock);

    /// <summary>Whether the upstream has this blob in this repository.</summary>
    public Task<bool> HasBlobAsync(Digest digest, CancellationToken cancellationToken) =>
        HasAsync(UpstreamNoun.Blob, digest.ToString(), digest, cancellationToken);

    /// <summary>Makes the upstream have this blob. Nothing is sent when it has.</summary>
    /// <param name="length">Of the whole blob, in bytes.</param>
    /// <param name="open">The blob's bytes from an offset on; called again after a cut.</param>
    public async Task PutBlobAsync(
        Digest digest, long length, Func<long, CancellationToken, ValueTask<Stream>> open, CancellationToken cancellationToken)
    {
        var upload = new BlobUpload(registry, name, digest, length, open, clock);
        var status = await upload.RunAsync(token => HasBlobAsync(digest, token), cancellationToken);
        if (status != Created) await ConfirmAsync(UpstreamNoun.Blob, digest.ToString(), digest, status, cancellationToken);
    }

    /// <summary>
    /// Makes the upstream have this manifest, bound to the tag where the reference is one. One with a subject is listed among the subject's
    /// referrers afterwards: by the upstream itself, or under the fallback tag where it has no referrers API.
    /// </summary>
    /// <param name="manifest">As read from <paramref name="bytes"/>.</param>
    public async Task PutManifestAsync(
        Reference reference, Digest digest, Manifest manifest, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        // A registry whose tags never move may refuse even the same digest again (Harbor: 412), and then a repeated call would fail.
        var noted = await HasAsync(UpstreamNoun.Manifest, reference.ToString(), digest, cancellationToken)
            ? default
            : await PutAsync(reference.ToString(), digest, UpstreamBody.Of(manifest.MediaType, bytes), cancellationToken);
        if (manifest.Subject is { } subject && noted != subject.Digest)
        {
            var entry = new Descriptor(manifest.MediaType, digest, bytes.Length)
            {
                ArtifactType = manifest.ReferrerType,
                Annotations = manifest.Annotations,
            };
            await _referrers.AddAsync(subject.Digest, entry, cancellationToken);
        }
    }

    /// <summary>Deletes a tag or manifest, or a blob by its digest; false when there was nothing.</summary>
    /// <param name="noun"><see cref="UpstreamNoun.Manifest"/> or <see cref="UpstreamNoun.Blob"/>.</param>
    public async Task<bool> DeleteAsync(UpstreamNoun noun, string reference, CancellationToken cancellationToken)
    {
        await using var response = await registry.SendAsync(new(HttpMethod.Delete, noun, name, reference), cancellationToken);
        return response.Status != 404;
    }

    private async Task<bool> HasAsync(UpstreamNoun noun, string reference, Digest digest, CancellationToken cancellationToken)
    {
        await using var response = await LookAsync(noun, reference, cancellationToken);
        // A tag may be bound to something else: there the claim must say it.
        var named = response.DigestClaim == digest || (reference == digest.ToString() && !response.Contradicts(digest));
        return response.Status == 200 && named;
    }

    /// <summary>By HEAD; by a GET whose body is given up where HEAD is of no use.</summary>
    private async Task<UpstreamResponse> LookAsync(UpstreamNoun noun, string reference, CancellationToken cancellationToken)
    {
        var isUseless = registry.Heads.IsUseless(noun);
        try
        {
            if (!isUseless)
            {
                var head = await registry.SendAsync(new(HttpMethod.Head, noun, name, reference), cancellationToken);
                if (head.Status == 200) registry.Heads.Worked(noun);
                // What is there and is said not to be is sent once more, which does no harm.
                if (head.Status is 200 or 404) return head;
                await head.DisposeAsync();
            }
        }
        catch (UpstreamException e) when (e.IsOfHead)
        {
        }
        var get = await registry.SendAsync(new(HttpMethod.Get, noun, name, reference), cancellationToken);
        if (get.Status == 200 && !isUseless) registry.Heads.Contradicted(noun);
        return get;
    }

    /// <summary>The subject that the upstream took note of.</summary>
    private async Task<Digest> PutAsync(string reference, Digest digest, UpstreamBody body, CancellationToken cancellationToken)
    {
        var request = new UpstreamRequest(HttpMethod.Put, UpstreamNoun.Manifest, name, reference) { Body = body };
        await using var response = await registry.SendAsync(request, cancellationToken);
        if (response.Contradicts(digest)) throw UpstreamAnswer.OtherDigest(registry.Options.Key, request, response, digest);
        // Quay (containers/image#381) and old distribution (#142) say 202, some 200; whether it is there they then have to show.
        if (response.Status != Created) await ConfirmAsync(UpstreamNoun.Manifest, reference, digest, response.Status, cancellationToken);
        return response.Subject;
    }

    private async Task ConfirmAsync(UpstreamNoun noun, string reference, Digest digest, int status, CancellationToken cancellationToken)
    {
        if (await HasAsync(noun, reference, digest, cancellationToken)) return;
        var what = UpstreamAnswer.Describe(new(HttpMethod.Put, noun, name, reference));
        throw new UpstreamException(
            UpstreamFailure.Misbehaving,
            $"upstream {registry.Options.Key} answered {status} to {what}, and does not have it",
            status: status);
    }
}
