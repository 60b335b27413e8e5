using Gateway.Oci;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.Fronting;

/// <summary>
/// Gives one repository of an upstream what was accepted for it. Everything may be sent again: what is there already is left alone.
/// </summary>
/// <param name="path">The repository's name among all that are fronted, by whatever credentials they are asked.</param>
internal sealed class Forwarder(
    Volume volume, IUpstreamRegistry registry, RepositoryName name, string path, Turns turns, TimeProvider clock, ILogger logger)
{
    // Blobs under way for one push: as many as docker sends side by side.
    private const int BlobsAtOnce = 5;

    // An upstream that comes back is let one request first: the others of a push wait for that one, and do not fail it.
    private static readonly TimeSpan WorthWaiting = TimeSpan.FromSeconds(2);

    private readonly UpstreamWriter _writer = new(registry, name, clock);

    public DateTimeOffset Now => clock.GetUtcNow();

    private string Upstream => registry.Options.Key;

    /// <summary>Waits for the pushes and deletes before this one to end.</summary>
    public Task<IDisposable> TakeTurnAsync(CancellationToken cancellationToken) => turns.TakeAsync(path, cancellationToken);

    /// <summary>
    /// Makes the upstream have every blob of a publication; the one that is neither there nor here, where there is one. Throws
    /// <see cref="NotForwardedException"/>.
    /// </summary>
    public async Task<Digest?> SendBlobsAsync(Publication publication, CancellationToken cancellationToken)
    {
        try
        {
            Digest? lacking = null;
            await Parallel.ForEachAsync(
                publication.Blobs, new ParallelOptions { MaxDegreeOfParallelism = BlobsAtOnce, CancellationToken = cancellationToken },
                async (blob, stop) =>
                {
                    if (!await SendWhenLetAsync(blob, stop)) lacking = blob.Digest;
                });
            return lacking;
        }
        catch (UpstreamException e)
        {
            throw Failed(e, "blobs");
        }
    }

    private async Task<bool> SendWhenLetAsync(Descriptor blob, CancellationToken cancellationToken)
    {
        try
        {
            return await SendBlobAsync(blob, cancellationToken);
        }
        catch (UpstreamException e) when (e.RetryAfter is { } wait && wait <= WorthWaiting)
        {
            await Task.Delay(wait, clock, cancellationToken);
            return await SendBlobAsync(blob, cancellationToken);
        }
    }

    /// <summary>False when it is nowhere.</summary>
    private async Task<bool> SendBlobAsync(Descriptor blob, CancellationToken cancellationToken)
    {
        if (volume.FindContent(blob.Digest, blob.Size) is not { } length) return await _writer.HasBlobAsync(blob.Digest, cancellationToken);
        var started = clock.GetTimestamp();
        var isSent = false;
        await _writer.PutBlobAsync(blob.Digest, length, Open, cancellationToken);
        if (!isSent) return true;
        ForwardMetrics.Sent(Upstream, length);
        Log.BlobSent(logger, blob.Digest, length, Upstream, name, clock.GetElapsedTime(started).TotalSeconds);
        return true;

        ValueTask<Stream> Open(long offset, CancellationToken _)
        {
            isSent = true;
            return new(volume.OpenStream(blob.Digest, offset, length) ?? throw Gone(blob.Digest));
        }
    }

    /// <summary>
    /// Makes the upstream have the manifests and tags of a publication, whose blobs it has. A client that hangs up stops nothing: what has
    /// begun is brought to its end. Throws <see cref="NotForwardedException"/>.
    /// </summary>
    public async Task SendManifestsAsync(Publication publication)
    {
        foreach (var (reference, manifest) in publication.Steps())
        {
            try
            {
                await _writer.PutManifestAsync(reference, manifest.Digest, manifest.Manifest, manifest.Bytes, CancellationToken.None);
                ForwardMetrics.Sent(Upstream, manifest.Bytes.Length);
                Log.ManifestSent(logger, reference, manifest.Digest, Upstream, name);
            }
            catch (UpstreamException e)
            {
                throw Failed(e, reference.ToString());
            }
        }
    }

    /// <summary>Removes something at the upstream; nothing where it is not there. Throws <see cref="NotForwardedException"/>.</summary>
    public async Task DeleteAsync(UpstreamNoun noun, string reference, CancellationToken cancellationToken)
    {
        try
        {
            await _writer.DeleteAsync(noun, reference, cancellationToken);
            Log.Deleted(logger, reference, Upstream, name);
        }
        catch (UpstreamException e)
        {
            var failure = Failed(e, reference);
            // distribution before 3 takes a tag for a digest here.
            throw e is { Failure: UpstreamFailure.Refused, Status: 400, Error.Code: "DIGEST_INVALID" }
                ? new NotForwardedException(
                    $"{e.Message}: it deletes no tags, only manifests by digest", ForwardRefusal.Unsupported, inner: e)
                : failure;
        }
    }

    private NotForwardedException Gone(Digest digest) =>
        new($"the bytes of {digest} went while they were sent to {Upstream}; push it again", null);

    private NotForwardedException Failed(UpstreamException e, string what)
    {
        ForwardMetrics.Failed(Upstream, e.Failure);
        Log.NotSent(logger, what, Upstream, name, e.Message);
        return e.Failure switch
        {
            // Without a status the upstream could not be asked: the change may be tried again.
            UpstreamFailure.Refused when e.Status is null => new(e.Message, null, inner: e),
            UpstreamFailure.Refused or UpstreamFailure.Unauthorized => new(e.Message, RefusalOf(e), inner: e),
            _ => new(e.Message, null, e.RetryAfter, e),
        };
    }

    /// <summary>The statuses of distribution-spec, "Endpoints", and what they say of a push.</summary>
    private static ForwardRefusal RefusalOf(UpstreamException e) => e.Status switch
    {
        400 when e.Error?.Code == "MANIFEST_BLOB_UNKNOWN" => ForwardRefusal.BlobUnknown,
        400 or 415 => ForwardRefusal.ManifestInvalid,
        404 => ForwardRefusal.NotFound,
        405 => ForwardRefusal.Unsupported,
        413 => ForwardRefusal.TooLarge,
        _ => ForwardRefusal.Denied,
    };
}
