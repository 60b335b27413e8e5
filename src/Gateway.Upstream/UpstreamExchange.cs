using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>One request to one endpoint until its final answer: challenges answered, redirects followed, failures named.</summary>
internal sealed class UpstreamExchange(
    RegistryOptions options, TrustBoundary boundary, Authenticator authenticator, HttpMessageInvoker client, TimeProvider clock)
{
    // Chosen: two endpoints and a token server fit into the 30 s after which clients begin to give up; a tag's own deadline is shorter.
    private static readonly TimeSpan HeadersTimeout = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Until the answer to what was sent whole. Chosen: registries on object storage copy a blob, and read it again, before they say 201.
    /// </summary>
    public static readonly TimeSpan WriteTimeout = TimeSpan.FromMinutes(2);

    // As issue trackers of registries show chains: registry → object storage → its mirror; the rest is a loop.
    private const int MostRedirects = 5;

    // Enough for ECR's sentence.
    private const int LongestRefusal = 64 * 1024;

    // Bytes; as curl has it. A larger body is not sent before the upstream asks for it (RFC 9110 §10.1.1), or has said nothing for 1 s: a
    // 401, a redirect, or nginx's 413 (client_max_body_size) would come in vain to who is still sending.
    private const long LargeBody = 1024 * 1024;

    /// <summary>The final answer. Throws <see cref="UpstreamException"/> for what is none.</summary>
    public async Task<UpstreamResponse> SendAsync(
        Uri endpoint, Account account, UpstreamRequest request, CancellationToken cancellationToken)
    {
        var credentials = account.Credentials;
        var authorization = request.Session is { } session && !TrustBoundary.SameOrigin(endpoint, session.Address)
            ? null
            : await authenticator.PrepareAsync(endpoint, credentials, request, cancellationToken);
        var renewed = false;
        while (true)
        {
            var known = account.Budget.Now;
            var (response, last) = await FollowAsync(endpoint, request, authorization, cancellationToken);
            try
            {
                var reply = new UpstreamReply(endpoint, last, response);
                if (reply.IsOwn && response.StatusCode == HttpStatusCode.Unauthorized)
                {
                    var challenges = Challenge.Parse(ChallengesOf(response));
                    authorization = await authenticator.AnswerAsync(
                        endpoint, credentials, request, challenges, authorization, cancellationToken);
                    response.Dispose();
                    continue;
                }
                var refusal = await RefusalOfAsync(request, response, cancellationToken);
                if (reply.IsOwn && !renewed && authorization is not null && SaysExpired(response, refusal)
                    && await Authenticator.RenewAsync(credentials, authorization, cancellationToken) is { } anew)
                {
                    (authorization, renewed) = (anew, true);
                    response.Dispose();
                    continue;
                }
                if (reply.IsOwn && !request.IsWrite) account.Budget.Note(response.Headers.NonValidated, known);
                reply = reply with
                {
                    Error = request.IsWrite ? UpstreamError.Read(refusal) : null,
                    Session = request.Noun == UpstreamNoun.Upload ? SessionAfter(reply, request, account) : null,
                };
                return UpstreamAnswer.Read(options.Key, request, reply, account.Budget.EmptyFor, clock.GetUtcNow());
            }
            catch
            {
                response.Dispose();
                throw;
            }
        }
    }

    /// <summary>
    /// Where the next request of an upload goes: relative or absolute, on this host or another, as the trust boundary allows for redirects.
    /// </summary>
    private UpstreamSession? SessionAfter(UpstreamReply reply, UpstreamRequest request, Account account)
    {
        // The Location of a finished upload is the blob's.
        if (!reply.Response.IsSuccessStatusCode || request.Method == HttpMethod.Put) return null;
        if (reply.Response.Headers.Location is not { } location) return request.Session;
        var address = boundary.Resolve(reply.Endpoint, new Uri(reply.Last, location));
        if (boundary.RefusalOf(reply.Last, address) is { } refusal)
        {
            throw Misbehaves(reply.Endpoint, $"sends uploads {refusal} ({address.Authority})");
        }
        return new UpstreamSession(reply.Endpoint, account, address);
    }

    /// <summary>Follows redirects. None is remembered: where blobs lie is signed for minutes.</summary>
    private async Task<(HttpResponseMessage Response, Uri Last)> FollowAsync(
        Uri endpoint, UpstreamRequest request, Authorization? authorization, CancellationToken cancellationToken)
    {
        var uri = AddressOf(endpoint, request);
        var header = TrustBoundary.SameOrigin(endpoint, uri) ? authorization?.Header : null;
        for (var hop = 0; ; hop++)
        {
            var response = await SendOneAsync(uri, request, header, cancellationToken);
            if (!IsRedirect(request, response.StatusCode)) return (response, uri);
            response.Dispose();
            if (response.Headers.Location is not { } location) throw Misbehaves(endpoint, "redirects without saying where");
            if (hop == MostRedirects) throw Misbehaves(endpoint, $"redirects more than {MostRedirects} times");
            var target = boundary.Resolve(endpoint, new Uri(uri, location));
            if (boundary.RefusalOf(uri, target) is { } refusal) throw Misbehaves(endpoint, $"redirects {refusal} ({target.Authority})");
            // Never given back on the way: who redirects to us again is no longer the one we meant to show it to.
            if (!TrustBoundary.SameOrigin(uri, target)) header = null;
            uri = target;
        }
    }

    private async Task<HttpResponseMessage> SendOneAsync(
        Uri uri, UpstreamRequest request, string? authorization, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(request.Method == HttpMethod.Put ? WriteTimeout : HeadersTimeout, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        var content = request.Body is { } body ? new UpstreamContent(body, patience) : null;
        try
        {
            var message = MessageOf(uri, request, authorization, content);
            message.Headers.ExpectContinue = content is not null && request.Body!.Length > LargeBody;
            var response = await client.SendAsync(message, either.Token);
            if (response.StatusCode != HttpStatusCode.ExpectationFailed || message.Headers.ExpectContinue != true) return response;
            // RFC 9110 §10.1.1: "repeat that request without a 100-continue expectation".
            response.Dispose();
            return await client.SendAsync(MessageOf(uri, request, authorization, content), either.Token);
        }
        catch (Exception) when (content?.Failure is not null)
        {
            content.Failure.Throw();
            throw;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw UpstreamFailures.OfConnection($"upstream {options.Key}: {uri.Authority}", e);
        }
    }

    private static HttpRequestMessage MessageOf(Uri uri, UpstreamRequest request, string? authorization, HttpContent? content)
    {
        var message = new HttpRequestMessage(request.Method, uri) { Content = content };
        Add("Authorization", authorization);
        Add("Accept", request.Noun switch
        {
            UpstreamNoun.Manifest => MediaTypes.AcceptManifests,
            UpstreamNoun.Referrers => MediaTypes.OciIndex,
            UpstreamNoun.Tags or UpstreamNoun.Catalog => "application/json",
            _ => "*/*",
        });
        // Whatever is compressed on the way has another digest.
        Add("Accept-Encoding", "identity");
        Add("User-Agent", "gateway");
        if (request.Range is var (first, last)) Add("Range", $"bytes={first}-{last}");
        Add("If-Range", request.IfRange);
        return message;

        void Add(string name, string? value)
        {
            if (value is not null) message.Headers.TryAddWithoutValidation(name, value);
        }
    }

    private static Uri AddressOf(Uri endpoint, UpstreamRequest request)
    {
        if (request.Reference.AsSpan().ContainsAny("/?#%\\")) throw new ArgumentException("not a tag and not a digest", nameof(request));
        if (request.Session is { } session) return WithQuery(session.Address, request.Query);
        if (request.Noun == UpstreamNoun.Catalog) return WithQuery(new Uri(endpoint, "/v2/_catalog"), request.Query);
        var path = request.Noun switch
        {
            UpstreamNoun.Upload => "blobs/uploads/",
            UpstreamNoun.Manifest => $"manifests/{request.Reference}",
            UpstreamNoun.Blob => $"blobs/{request.Reference}",
            UpstreamNoun.Referrers => $"referrers/{request.Reference}",
            _ => "tags/list",
        };
        return WithQuery(new Uri(endpoint, $"/v2/{request.Name}/{path}"), request.Query);
    }

    /// <summary>With a query after the one that an upload's address may have: that one is the upstream's and stays as it is.</summary>
    private static Uri WithQuery(Uri address, string? query) =>
        query is null ? address : new Uri($"{address.GetLeftPart(UriPartial.Query)}{(address.Query.Length == 0 ? '?' : '&')}{query}");

    /// <summary>What is said with a 403, or with the refusal of a write; empty where that is long, or does not come in time.</summary>
    private async Task<byte[]> RefusalOfAsync(UpstreamRequest request, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var status = (int)response.StatusCode;
        if (request.Method == HttpMethod.Head || (request.IsWrite ? status < 400 : status != 403)) return [];
        using var timeout = new CancellationTokenSource(HeadersTimeout, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await using var body = await response.Content.ReadAsStreamAsync(either.Token);
            return await BoundedBody.ReadAsync(body, LongestRefusal, either.Token) ?? [];
        }
        catch (Exception e) when (e is IOException or HttpRequestException or OperationCanceledException
            && !cancellationToken.IsCancellationRequested)
        {
            return [];
        }
    }

    private static bool SaysExpired(HttpResponseMessage response, byte[] refusal) => response.StatusCode == HttpStatusCode.Forbidden
        && Encoding.UTF8.GetString(refusal).Contains("authorization token has expired", StringComparison.OrdinalIgnoreCase);

    /// <summary>Those that change the method, or may, are no redirects to who sends something.</summary>
    private static bool IsRedirect(UpstreamRequest request, HttpStatusCode status) =>
        (int)status is 307 or 308 || (!request.IsWrite && (int)status is 301 or 302 or 303);

    // As sent, for the platform's own parser does not split several challenges in one header.
    private static HeaderStringValues ChallengesOf(HttpResponseMessage response) =>
        response.Headers.NonValidated.TryGetValues("WWW-Authenticate", out var values) ? values : default;

    private UpstreamException Misbehaves(Uri endpoint, string what) =>
        new(UpstreamFailure.Misbehaving, $"upstream {options.Key}: {endpoint.Authority} {what}");
}
