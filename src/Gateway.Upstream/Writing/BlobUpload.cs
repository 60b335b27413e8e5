using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// Sends one blob to an upstream, with retries: POST, one PATCH with the whole blob, PUT with the digest only. Docker, podman and crane
/// send the same sequence, so every registry supports it. The alternatives are not supported everywhere: Artifactory refuses a PUT with
/// the body (containerd#3533), Google's and Amazon's registries refuse a second PATCH (containers-roadmap#2831). An interrupted PATCH can
/// be resumed, an interrupted PUT cannot. A session uses the endpoint and the account that opened it.
/// </summary>
/// <param name="name">The upstream's own name of the repository.</param>
/// <param name="length">The length of the blob, in bytes.</param>
/// <param name="open">Opens the blob's bytes from an offset to the end.</param>
internal sealed class BlobUpload(
    IUpstreamRegistry registry,
    RepositoryName name,
    Digest digest,
    long length,
    Func<long, CancellationToken, ValueTask<Stream>> open,
    TimeProvider clock)
{
    // Chosen: short, because the caller waits and the upstream has just failed.
    private static readonly TimeSpan AbandonTimeout = TimeSpan.FromSeconds(5);

    private UpstreamSession? _session;

    // The bytes that the session has, as the upstream reported, and whether the gateway asked the upstream for that number.
    private long _received;
    private bool _resumed;

    private enum Next
    {
        Fail,
        Resume,
        BeginAnew,
    }

    /// <summary>
    /// Sends the blob, unless the upstream has it. Returns the status of the PUT: 201, or another 2xx, which does not confirm that the blob
    /// is stored.
    /// </summary>
    /// <param name="isThere">
    /// Whether the upstream has the blob. Called before each session, because the response to an earlier PUT may have been lost.
    /// </param>
    /// <exception cref="UpstreamException">The upstream did not store the blob.</exception>
    public async Task<int> RunAsync(Func<CancellationToken, Task<bool>> isThere, CancellationToken cancellationToken)
    {
        var backoff = new Backoff(clock);
        while (true)
        {
            var had = _received;
            try
            {
                if (_session is not null) await ResumeAsync(_session, cancellationToken);
                else if (await isThere(cancellationToken)) return 201;
                else _session = await BeginAsync(cancellationToken);
                if (_received < length) _session = await SendRestAsync(_session, cancellationToken);
                return await CommitAsync(_session, cancellationToken);
            }
            catch (UpstreamException e) when (After(e) is var next and not Next.Fail && backoff.MayRetry(_received - had))
            {
                if (next == Next.BeginAnew) await AbandonAsync(isGone: e.Status == 404);
                await backoff.WaitAsync(e.RetryAfter, cancellationToken);
            }
            catch
            {
                await AbandonAsync(isGone: false);
                throw;
            }
        }
    }

    /// <summary>
    /// What to do after a failure. A session that is gone or inconsistent is replaced. A refusal of the first attempt is final.
    /// </summary>
    private Next After(UpstreamException e) => e switch
    {
        // Nothing has been sent, and every endpoint was tried.
        _ when _session is null => Next.Fail,
        { Failure: UpstreamFailure.Unavailable or UpstreamFailure.RateLimited } => Next.Resume,
        { Failure: not UpstreamFailure.Refused } => Next.Fail,
        { Status: 404 } => Next.BeginAnew,
        _ when _resumed => Next.BeginAnew,
        { Status: 416 } => Next.Resume,
        _ => Next.Fail,
    };

    private async Task<UpstreamSession> BeginAsync(CancellationToken cancellationToken)
    {
        (_received, _resumed) = (0, false);
        var request = Request(HttpMethod.Post, null);
        await using var response = await registry.SendAsync(request, cancellationToken);
        return response.Session ?? throw new UpstreamException(
            UpstreamFailure.Misbehaving,
            $"upstream {registry.Options.Key}: {response.Endpoint.Authority} opened an upload to {name} without a Location header",
            status: response.Status);
    }

    /// <summary>Asks how many bytes the session has (distribution-spec, "Resuming an upload").</summary>
    private async Task ResumeAsync(UpstreamSession session, CancellationToken cancellationToken)
    {
        _resumed = true;
        await using var response = await registry.SendAsync(Request(HttpMethod.Get, session), cancellationToken);
        if (response.Received is not { } received || received > length)
            throw Disorder(response, $"reports {response.Received} of {length} bytes");
        (_session, _received) = (response.Session, received);
    }

    private async Task<UpstreamSession> SendRestAsync(UpstreamSession session, CancellationToken cancellationToken)
    {
        var from = _received;
        var body = new UpstreamBody("application/octet-stream", length - from, token => open(from, token))
        {
            // Content-Range is omitted for a whole blob, as docker does. With it, some registries treat the PATCH as a chunk and refuse its
            // size.
            First = from == 0 ? null : from,
        };
        await using var response = await registry.SendAsync(Request(HttpMethod.Patch, session) with { Body = body }, cancellationToken);
        // Registries answer 202, 201 (Amazon) or 204 (pulp). If the answer has the number of bytes received, that number must be right.
        if (response.Received is { } received && received != length) throw Disorder(response, $"received {received} of {length} bytes");
        _received = length;
        return response.Session!;
    }

    private async Task<int> CommitAsync(UpstreamSession session, CancellationToken cancellationToken)
    {
        var request = Request(HttpMethod.Put, session) with { Query = $"digest={Uri.EscapeDataString(digest.ToString())}" };
        await using var response = await registry.SendAsync(request, cancellationToken);
        return response.Contradicts(digest)
            ? throw UpstreamAnswer.OtherDigest(registry.Options.Key, request, response, digest)
            : response.Status;
    }

    /// <summary>Deletes the session, so that the upstream can free its space. A failure is ignored.</summary>
    private async Task AbandonAsync(bool isGone)
    {
        if (_session is not { } session) return;
        _session = null;
        if (isGone) return;
        using var timeout = new CancellationTokenSource(AbandonTimeout, clock);
        try
        {
            await using var _ = await registry.SendAsync(Request(HttpMethod.Delete, session) with { IsOptional = true }, timeout.Token);
        }
        catch (Exception e) when (e is UpstreamException or OperationCanceledException)
        {
            // Registries remove unfinished sessions by themselves.
        }
    }

    private UpstreamRequest Request(HttpMethod method, UpstreamSession? session) =>
        new(method, UpstreamNoun.Upload, name, digest.ToString()) { Session = session };

    private UpstreamException Disorder(UpstreamResponse response, string what) => new(
        UpstreamFailure.Refused,
        $"upstream {registry.Options.Key}: {response.Endpoint.Authority} {what} of {digest} in {name}",
        status: 416);
}
