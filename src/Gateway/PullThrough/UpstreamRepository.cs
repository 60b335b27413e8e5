using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>One repository of an upstream, and the questions that we ask it.</summary>
internal sealed class UpstreamRepository(UpstreamOptions options, IUpstreamRegistry registry, RepositoryName name, TimeProvider clock)
{
    /// <summary>
    /// Until the headers of an answer, whatever the number of endpoints, redirects and tokens on the way; each step has its own, shorter
    /// limit in <see cref="Upstream"/>. Clients begin to give up at 30 s.
    /// </summary>
    private static readonly TimeSpan HeaderDeadline = TimeSpan.FromSeconds(30);

    /// <summary>An upstream that is left alone for a moment only is worth waiting for: the alternative is a pull that fails.</summary>
    private static readonly TimeSpan WorthWaiting = TimeSpan.FromSeconds(2);

    public UpstreamOptions Options => options;

    public string Key => options.Key;

    public RepositoryName Name => name;

    /// <summary>How an answer from the cache is obtained; one object, because every warm pull has it.</summary>
    public CacheHandling Hit { get; } = CacheHandling.Hit with { Upstream = options.Key };

    /// <summary>Whether HEAD is of use there.</summary>
    public HeadUse Heads => registry.Heads;

    /// <summary>What the upstream's rate limit leaves; null where there is none.</summary>
    public RateLimit? RateLimit => registry.RateLimit;

    /// <summary>False for one client whose right to see the repository is not proven now: he may be shown nothing that is kept.</summary>
    public bool MayShowCached => registry is not Proof { Holds: false };

    private IUpstreamRegistry Registry => registry;

    /// <summary>The same repository, asked by the same credentials.</summary>
    public bool IsSameAs(UpstreamRepository other) => registry == other.Registry && name == other.Name;

    /// <summary>One question, whose answer's body is of no interest.</summary>
    public Task<UpstreamResponse> AskAsync(HttpMethod method, UpstreamNoun noun, string reference) =>
        SendAsync(new(method, noun, name, reference), CancellationToken.None);

    /// <param name="isWithheldAt">Whether it can wait at what is left of the rate limit: <see cref="UpstreamHeldException"/> then.</param>
    public Task<UpstreamResponse> HeadTagAsync(TagName tag, Func<RateLimit, bool>? isWithheldAt, CancellationToken cancellationToken) =>
        SendAsync(new(HttpMethod.Head, UpstreamNoun.Manifest, name, tag.Value) { IsHeldAt = isWithheldAt }, cancellationToken);

    /// <param name="isWithheldAt">As for <see cref="HeadTagAsync"/>.</param>
    public Task<UpstreamResponse> GetManifestAsync(
        Reference reference, CancellationToken cancellationToken, Func<RateLimit, bool>? isWithheldAt = null) =>
        SendAsync(new(HttpMethod.Get, UpstreamNoun.Manifest, name, reference.ToString()) { IsHeldAt = isWithheldAt }, cancellationToken);

    public Task<UpstreamResponse> HeadBlobAsync(Digest digest, CancellationToken cancellationToken) =>
        SendAsync(new(HttpMethod.Head, UpstreamNoun.Blob, name, digest.ToString()), cancellationToken);

    /// <param name="range">First and last byte; null for the whole.</param>
    /// <param name="ifRange">A strong ETag.</param>
    /// <param name="except">The endpoint to try last.</param>
    public Task<UpstreamResponse> GetBlobAsync(
        Digest digest, (long First, long Last)? range, string? ifRange, Uri? except, CancellationToken cancellationToken) =>
        SendAsync(
            new(HttpMethod.Get, UpstreamNoun.Blob, name, digest.ToString()) { Range = range, IfRange = ifRange, Except = except },
            cancellationToken);

    /// <summary>
    /// As <see cref="GetBlobAsync"/>, for what can be done without: nothing is held against an endpoint that does not give it.
    /// </summary>
    public Task<UpstreamResponse> GetOptionalRangeAsync(
        Digest digest, (long First, long Last) range, string? ifRange, Uri? except, CancellationToken cancellationToken) =>
        SendAsync(
            new(HttpMethod.Get, UpstreamNoun.Blob, name, digest.ToString())
            {
                Range = range, IfRange = ifRange, Except = except, IsOptional = true,
            },
            cancellationToken);

    public Task<UpstreamResponse> GetReferrersAsync(Digest subject, string? query, CancellationToken cancellationToken) =>
        SendAsync(new(HttpMethod.Get, UpstreamNoun.Referrers, name, subject.ToString()) { Query = query }, cancellationToken);

    public Task<UpstreamResponse> GetTagsAsync(string? query, CancellationToken cancellationToken) =>
        SendAsync(new(HttpMethod.Get, UpstreamNoun.Tags, name, "") { Query = query }, cancellationToken);

    /// <summary>Notes that a body from this endpoint broke off or was wrong.</summary>
    public void Report(Uri endpoint, bool wrong) => registry.Report(endpoint, wrong);

    /// <summary>An upstream answered what no registry should: one line that says which one and for what.</summary>
    public UpstreamException Misbehaved(string what) =>
        new(UpstreamFailure.Misbehaving, $"upstream {Key}, repository {name}: {what}");

    private async Task<UpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(HeaderDeadline, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await SendWhenLetAsync(request, both.Token);
        }
        catch (OperationCanceledException e) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new UpstreamException(
                UpstreamFailure.Unavailable, $"upstream {Key} did not answer within {HeaderDeadline.TotalSeconds:0} s", inner: e);
        }
    }

    private async Task<UpstreamResponse> SendWhenLetAsync(UpstreamRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await registry.SendAsync(request, cancellationToken);
        }
        catch (UpstreamException e) when (e.RetryAfter is { } wait && wait <= WorthWaiting)
        {
            await Task.Delay(wait, clock, cancellationToken);
            return await registry.SendAsync(request, cancellationToken);
        }
    }
}
