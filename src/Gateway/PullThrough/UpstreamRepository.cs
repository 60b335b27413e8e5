using Gateway.Configuration;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>One repository of an upstream, and the requests that the gateway sends for it.</summary>
internal sealed class UpstreamRepository(UpstreamOptions options, IUpstreamRegistry registry, RepositoryName name, TimeProvider clock)
{
    /// <summary>
    /// Longest time until the headers of an answer, over all endpoints, redirects and tokens. Each step has a shorter limit of its own in
    /// <see cref="Upstream"/>. Clients begin to give up at 30 s.
    /// </summary>
    private static readonly TimeSpan HeaderDeadline = TimeSpan.FromSeconds(30);

    /// <summary>Longest pause of an upstream that a request waits for; the alternative is a failed pull.</summary>
    private static readonly TimeSpan WorthWaiting = TimeSpan.FromSeconds(2);

    public UpstreamOptions Options => options;

    public string Key => options.Key;

    public RepositoryName Name => name;

    /// <summary>The cache handling of a warm answer; one shared object, because every warm pull uses it.</summary>
    public CacheHandling Hit { get; } = CacheHandling.Hit with { Upstream = options.Key };

    /// <summary>Whether HEAD works at this upstream.</summary>
    public HeadUse Heads => registry.Heads;

    /// <summary>The rate budget; null if the upstream has no rate limit.</summary>
    public RateLimit? RateLimit => registry.RateLimit;

    /// <summary>False for a client without proof that it may see the repository; cached content must not be shown to it.</summary>
    public bool MayShowCached => registry is not Proof { Holds: false };

    /// <summary>Whether the gateway asks with its own account, so that what the upstream says holds for every replica.</summary>
    public bool IsOfOwnAccount => registry is not Proof;

    private IUpstreamRegistry Registry => registry;

    /// <summary>The same repository, with the same credentials.</summary>
    public bool IsSameAs(UpstreamRepository other) => registry == other.Registry && name == other.Name;

    /// <summary>Sends one request whose response body is not needed.</summary>
    public Task<UpstreamResponse> AskAsync(HttpMethod method, UpstreamNoun noun, string reference) =>
        SendAsync(new(method, noun, name, reference), CancellationToken.None);

    /// <param name="isWithheldAt">
    /// Whether the request is not sent at this rate budget; it then throws <see cref="UpstreamHeldException"/>.
    /// </param>
    public Task<UpstreamResponse> HeadTagAsync(TagName tag, Func<RateLimit, bool>? isWithheldAt, CancellationToken cancellationToken) =>
        SendAsync(new(HttpMethod.Head, UpstreamNoun.Manifest, name, tag.Value) { IsHeldAt = isWithheldAt }, cancellationToken);

    /// <param name="isWithheldAt">See <see cref="HeadTagAsync"/>.</param>
    public Task<UpstreamResponse> GetManifestAsync(
        Reference reference, CancellationToken cancellationToken, Func<RateLimit, bool>? isWithheldAt = null) =>
        SendAsync(new(HttpMethod.Get, UpstreamNoun.Manifest, name, reference.ToString()) { IsHeldAt = isWithheldAt }, cancellationToken);

    /// <summary>Asks whether the repository has the manifest; Docker Hub does not count that.</summary>
    public Task<UpstreamResponse> HeadManifestAsync(Digest digest, CancellationToken cancellationToken) =>
        SendAsync(new(HttpMethod.Head, UpstreamNoun.Manifest, name, digest.ToString()), cancellationToken);

    public Task<UpstreamResponse> HeadBlobAsync(Digest digest, CancellationToken cancellationToken) =>
        SendAsync(new(HttpMethod.Head, UpstreamNoun.Blob, name, digest.ToString()), cancellationToken);

    /// <param name="range">First and last byte; null for the whole blob.</param>
    /// <param name="ifRange">A strong ETag.</param>
    /// <param name="except">The endpoint to try last.</param>
    public Task<UpstreamResponse> GetBlobAsync(
        Digest digest, (long First, long Last)? range, string? ifRange, Uri? except, CancellationToken cancellationToken) =>
        SendAsync(
            new(HttpMethod.Get, UpstreamNoun.Blob, name, digest.ToString()) { Range = range, IfRange = ifRange, Except = except },
            cancellationToken);

    /// <summary>
    /// Like <see cref="GetBlobAsync"/>, for a range that the gateway can do without: a failure does not count against the endpoint.
    /// </summary>
    public Task<UpstreamResponse> GetOptionalRangeAsync(
        Digest digest, (long First, long Last) range, string? ifRange, Uri? except, CancellationToken cancellationToken) =>
        SendAsync(
            new(HttpMethod.Get, UpstreamNoun.Blob, name, digest.ToString())
            {
                Range = range, IfRange = ifRange, Except = except, IsOptional = true,
            },
            cancellationToken);

    /// <param name="ifNoneMatch">The ETag of the list that is known; null for none.</param>
    public Task<UpstreamResponse> GetReferrersAsync(
        Digest subject, string? query, string? ifNoneMatch, CancellationToken cancellationToken) =>
        SendAsync(
            new(HttpMethod.Get, UpstreamNoun.Referrers, name, subject.ToString()) { Query = query, IfNoneMatch = ifNoneMatch },
            cancellationToken);

    public Task<UpstreamResponse> GetTagsAsync(string? query, CancellationToken cancellationToken) =>
        SendAsync(new(HttpMethod.Get, UpstreamNoun.Tags, name, "") { Query = query }, cancellationToken);

    /// <summary>Reports that a body from this endpoint broke or was wrong.</summary>
    public void Report(Uri endpoint, bool wrong) => registry.Report(endpoint, wrong);

    /// <summary>The exception for an unusable answer, in one line that names the upstream and the repository.</summary>
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
