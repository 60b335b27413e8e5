using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.Fronting;

/// <summary>
/// Forwards accepted content to one repository of an upstream. Sending again is safe: what the upstream already has is skipped.
/// </summary>
/// <param name="path">The repository's name, unique among all fronted repositories and the credentials they use.</param>
internal sealed class Forwarder(
    IContentLookup contents, IUpstreamRegistry registry, RepositoryName name, string path, Turns turns, TimeProvider clock, ILogger logger)
{
    // Blobs of one push that are sent at the same time: as many as docker sends.
    private const int BlobsAtOnce = 5;

    // A recovering upstream gets one request first. The other requests of the push wait for it instead of failing the push.
    private static readonly TimeSpan WorthWaiting = TimeSpan.FromSeconds(2);

    private readonly UpstreamWriter _writer = new(registry, name, clock);

    public DateTimeOffset Now => clock.GetUtcNow();

    private string Upstream => registry.Options.Key;

    /// <summary>Waits until earlier pushes and deletes have ended.</summary>
    public Task<IDisposable> TakeTurnAsync(CancellationToken cancellationToken) => turns.TakeAsync(path, cancellationToken);

    /// <summary>
    /// Sends the upstream every blob of a publication that it lacks. Returns a blob that neither the gateway nor the upstream has; null if
    /// there is none. Throws <see cref="NotForwardedException"/>.
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

    /// <summary>False if neither the gateway nor the upstream has the blob.</summary>
    private async Task<bool> SendBlobAsync(Descriptor blob, CancellationToken cancellationToken)
    {
        if (await contents.FindAsync(blob.Digest, blob.Size, cancellationToken) is not { } length)
            return await _writer.HasBlobAsync(blob.Digest, cancellationToken);
        var started = clock.GetTimestamp();
        var isSent = false;
        await _writer.PutBlobAsync(blob.Digest, length, Open, cancellationToken);
        if (!isSent) return true;
        ForwardMetrics.Sent(Upstream, length);
        Log.BlobSent(logger, blob.Digest, length, Upstream, name, clock.GetElapsedTime(started).TotalSeconds);
        return true;

        async ValueTask<Stream> Open(long offset, CancellationToken stop)
        {
            isSent = true;
            return new ContentStream(await contents.OpenAsync(blob.Digest, length, stop) ?? throw Gone(blob.Digest), offset);
        }
    }

    /// <summary>
    /// Sends the upstream the manifests and tags of a publication; the upstream already has the blobs. It finishes even if the client
    /// disconnects. Throws <see cref="NotForwardedException"/>.
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

    /// <summary>Deletes something at the upstream; does nothing if it is not there. Throws <see cref="NotForwardedException"/>.</summary>
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
            // CNCF distribution before version 3 expects a digest here, and rejects a tag.
            throw e is { Failure: UpstreamFailure.Refused, Status: 400, Error.Code: "DIGEST_INVALID" }
                ? new NotForwardedException(
                    $"{e.Message}: it does not support deleting tags; delete the manifest by digest", ForwardRefusal.Unsupported, inner: e)
                : failure;
        }
    }

    private NotForwardedException Gone(Digest digest) =>
        new($"blob {digest} was removed while the gateway sent it to {Upstream}; push it again", null);

    private NotForwardedException Failed(UpstreamException e, string what)
    {
        ForwardMetrics.Failed(Upstream, e.Failure);
        Log.NotSent(logger, what, Upstream, name, e.Message);
        return e.Failure switch
        {
            // Without a status, the gateway could not ask the upstream, so the change can be tried again.
            UpstreamFailure.Refused when e.Status is null => new(e.Message, null, inner: e),
            UpstreamFailure.Refused or UpstreamFailure.Unauthorized => new(e.Message, RefusalOf(e), inner: e),
            _ => new(e.Message, null, e.RetryAfter, e),
        };
    }

    /// <summary>What each status means for a push (distribution-spec, "Endpoints").</summary>
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
