using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// Sends one blob until an upstream has it: POST, one PATCH with the whole, PUT with nothing but the digest. That is what docker, podman
/// and crane send, so every registry takes it; Artifactory was seen not to take a PUT with the body (containerd#3533), Google's and
/// Amazon's take no second PATCH (containers-roadmap#2831), and after a cut a PATCH can be gone on with where a PUT cannot. A session
/// stays with the endpoint and the account that opened it.
/// </summary>
/// <param name="length">Of the whole blob, in bytes.</param>
/// <param name="open">Its bytes from an offset on.</param>
internal sealed class BlobUpload(
    IUpstreamRegistry registry,
    RepositoryName name,
    Digest digest,
    long length,
    Func<long, CancellationToken, ValueTask<Stream>> open,
    TimeProvider clock)
{
    // Chosen: a courtesy to who has just failed, while somebody waits.
    private static readonly TimeSpan AbandonTimeout = TimeSpan.FromSeconds(5);

    private UpstreamSession? _session;

    // How much the session has by the upstream's word, and whether the upstream has been asked for that.
    private long _received;
    private bool _resumed;

    private enum Next
    {
        Fail,
        Resume,
        BeginAnew,
    }

    /// <summary>Sends it, unless the upstream has it. Returns what PUT was answered: 201, or a 2xx that may mean anything.</summary>
    /// <param name="isThere">Whether the upstream has the blob; asked before each session, for an answer may have been lost.</param>
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
    /// What to do after a failure. A session that is gone or in disorder is replaced; what is refused on the first try is refused.
    /// </summary>
    private Next After(UpstreamException e) => e switch
    {
        // Nothing has been sent; and every endpoint was asked.
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
            $"upstream {registry.Options.Key}: {response.Endpoint.Authority} opened an upload to {name} and not where (no Location)",
            status: response.Status);
    }

    /// <summary>Asks how much came before the cut (distribution-spec, "Resuming an upload").</summary>
    private async Task ResumeAsync(UpstreamSession session, CancellationToken cancellationToken)
    {
        _resumed = true;
        await using var response = await registry.SendAsync(Request(HttpMethod.Get, session), cancellationToken);
        if (response.Received is not { } received || received > length)
            throw Disorder(response, $"has {response.Received} of {length} bytes");
        (_session, _received) = (response.Session, received);
    }

    private async Task<UpstreamSession> SendRestAsync(UpstreamSession session, CancellationToken cancellationToken)
    {
        var from = _received;
        var body = new UpstreamBody("application/octet-stream", length - from, token => open(from, token))
        {
            // Of the whole blob it is left out, as by docker: with it some take the PATCH for a chunk, and it is too large for one.
            First = from == 0 ? null : from,
        };
        await using var response = await registry.SendAsync(Request(HttpMethod.Patch, session) with { Body = body }, cancellationToken);
        // 202; 201 from Amazon's, 204 from pulp: any 2xx. What counts is how much it has, where it says so.
        if (response.Received is { } received && received != length) throw Disorder(response, $"took {received} of {length} bytes");
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

    /// <summary>Lets the upstream have its room back; it may not want to.</summary>
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
            // Registries sweep what nobody finishes.
        }
    }

    private UpstreamRequest Request(HttpMethod method, UpstreamSession? session) =>
        new(method, UpstreamNoun.Upload, name, digest.ToString()) { Session = session };

    private UpstreamException Disorder(UpstreamResponse response, string what) => new(
        UpstreamFailure.Refused,
        $"upstream {registry.Options.Key}: {response.Endpoint.Authority} {what} of {digest} in {name}",
        status: 416);
}
