using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// Writes to one repository of an upstream. Every call can be repeated: existing content is not sent again. The methods throw
/// <see cref="UpstreamException"/> if the upstream does not accept the write. Exceptions of a blob's source are passed through.
/// </summary>
/// <param name="name">The upstream's own name of the repository.</param>
public sealed class UpstreamWriter(IUpstreamRegistry registry, RepositoryName name, TimeProvider clock)
{
    // distribution-spec, "Endpoints": the status of a successful PUT.
    private const int Created = 201;

    private readonly ReferrersTagList _referrers = new(registry, name, clock);

    /// <summary>Whether the upstream has this blob in this repository.</summary>
    public Task<bool> HasBlobAsync(Digest digest, CancellationToken cancellationToken) =>
        HasAsync(UpstreamNoun.Blob, digest.ToString(), digest, cancellationToken);

    /// <summary>Uploads a blob, unless the upstream has it.</summary>
    /// <param name="length">The length of the blob, in bytes.</param>
    /// <param name="open">Opens the blob's bytes from an offset to the end; called again after an interruption.</param>
    public async Task PutBlobAsync(
        Digest digest, long length, Func<long, CancellationToken, ValueTask<Stream>> open, CancellationToken cancellationToken)
    {
        var upload = new BlobUpload(registry, name, digest, length, open, clock);
        var status = await upload.RunAsync(token => HasBlobAsync(digest, token), cancellationToken);
        if (status != Created) await ConfirmAsync(UpstreamNoun.Blob, digest.ToString(), digest, status, cancellationToken);
    }

    /// <summary>
    /// Stores a manifest at the upstream, and binds it to the tag if the reference is one. Afterwards a manifest with a subject is listed
    /// among the subject's referrers: by the upstream itself, or under the fallback tag if the upstream has no referrers API.
    /// </summary>
    /// <param name="manifest">The manifest, as read from <paramref name="bytes"/>.</param>
    public async Task PutManifestAsync(
        Reference reference, Digest digest, Manifest manifest, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        // A registry with immutable tags can refuse the same digest again (Harbor: 412), so a repeated call must not send it.
        var noted = await HasAsync(UpstreamNoun.Manifest, reference.ToString(), digest, cancellationToken)
            ? default
            : await PutAsync(reference.ToString(), digest, UpstreamBody.Of(manifest.MediaType, bytes), cancellationToken);
        if (manifest.Subject is { } subject && noted != subject.Digest)
            await _referrers.AddAsync(subject.Digest, manifest.AsReferrer(digest, bytes.Length), cancellationToken);
    }

    /// <summary>Deletes a tag or manifest, or a blob by its digest; false if it did not exist.</summary>
    /// <param name="noun"><see cref="UpstreamNoun.Manifest"/> or <see cref="UpstreamNoun.Blob"/>.</param>
    public async Task<bool> DeleteAsync(UpstreamNoun noun, string reference, CancellationToken cancellationToken)
    {
        await using var response = await registry.SendAsync(new(HttpMethod.Delete, noun, name, reference), cancellationToken);
        return response.Status != 404;
    }

    private async Task<bool> HasAsync(UpstreamNoun noun, string reference, Digest digest, CancellationToken cancellationToken)
    {
        await using var response = await LookAsync(noun, reference, cancellationToken);
        // A tag can be bound to another digest, so the response must claim this one.
        var named = response.DigestClaim == digest || (reference == digest.ToString() && !response.Contradicts(digest));
        return response.Status == 200 && named;
    }

    /// <summary>Looks up content by HEAD, or by a GET without reading the body if HEAD does not work.</summary>
    private async Task<UpstreamResponse> LookAsync(UpstreamNoun noun, string reference, CancellationToken cancellationToken)
    {
        var isUseless = registry.Heads.IsUseless(noun);
        try
        {
            if (!isUseless)
            {
                var head = await registry.SendAsync(new(HttpMethod.Head, noun, name, reference), cancellationToken);
                if (head.Status == 200) registry.Heads.Worked(noun);
                // If the 404 is wrong, the content is sent once more, which does no harm.
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

    /// <summary>Sends a manifest. Returns the subject for which the upstream lists it; empty if the upstream states none.</summary>
    private async Task<Digest> PutAsync(string reference, Digest digest, UpstreamBody body, CancellationToken cancellationToken)
    {
        var request = new UpstreamRequest(HttpMethod.Put, UpstreamNoun.Manifest, name, reference) { Body = body };
        await using var response = await registry.SendAsync(request, cancellationToken);
        if (response.Contradicts(digest)) throw UpstreamAnswer.OtherDigest(registry.Options.Key, request, response, digest);
        // Quay (containers/image#381) and old distribution (#142) answer 202, some registries 200. The gateway then checks that it is
        // stored.
        if (response.Status != Created) await ConfirmAsync(UpstreamNoun.Manifest, reference, digest, response.Status, cancellationToken);
        return response.Subject;
    }

    private async Task ConfirmAsync(UpstreamNoun noun, string reference, Digest digest, int status, CancellationToken cancellationToken)
    {
        if (await HasAsync(noun, reference, digest, cancellationToken)) return;
        var what = UpstreamAnswer.Describe(new(HttpMethod.Put, noun, name, reference));
        throw new UpstreamException(
            UpstreamFailure.Misbehaving,
            $"upstream {registry.Options.Key} answered {status} to {what}: expected 201 or stored content, got neither",
            status: status);
    }
}
