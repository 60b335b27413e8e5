using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// Sends one request to one endpoint and gets the final response: answers challenges, follows redirects, classifies failures.
/// </summary>
internal sealed class UpstreamExchange(
    RegistryOptions options, TrustBoundary boundary, Authenticator authenticator, HttpMessageInvoker client, TimeProvider clock)
{
    // Chosen: two endpoints and a token server together take no more than the 30 s that clients wait. A tag's own deadline is shorter.
    private static readonly TimeSpan HeadersTimeout = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The time for the response after a body was sent completely. Chosen: registries on object storage copy a blob and read it again
    /// before they answer 201.
    /// </summary>
    public static readonly TimeSpan WriteTimeout = TimeSpan.FromMinutes(2);

    // Chosen: known chains have two redirects (registry → object storage → its mirror); more than five are a loop.
    private const int MostRedirects = 5;

    // In bytes. Chosen: enough for the error documents of registries, including ECR's.
    private const int LongestRefusal = 64 * 1024;

    // In bytes; curl uses the same value. The gateway announces a larger body with Expect (RFC 9110 §10.1.1), and sends it when the
    // upstream agrees or is silent for 1 s. Without that, the gateway would miss a 401, a redirect or nginx's 413 (client_max_body_size)
    // while it sends.
    private const long LargeBody = 1024 * 1024;

    /// <summary>Sends the request by one account and returns the final response.</summary>
    /// <exception cref="UpstreamException">The upstream refused or failed, or misbehaves.</exception>
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
    /// The upload session after a response: the address of the next request. The Location can be relative or name another host, within the
    /// trust boundary.
    /// </summary>
    private UpstreamSession? SessionAfter(UpstreamReply reply, UpstreamRequest request, Account account)
    {
        // The Location of a finished upload is the address of the blob.
        if (!reply.Response.IsSuccessStatusCode || request.Method == HttpMethod.Put) return null;
        if (reply.Response.Headers.Location is not { } location) return request.Session;
        var address = boundary.Resolve(reply.Endpoint, new Uri(reply.Last, location));
        if (boundary.RefusalOf(reply.Last, address) is { } refusal)
        {
            throw Misbehaves(reply.Endpoint, $"sends uploads {refusal} ({address.Authority})");
        }
        return new UpstreamSession(reply.Endpoint, account, address);
    }

    /// <summary>Follows redirects. They are not cached, because signed addresses of blobs expire within minutes.</summary>
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
            if (response.Headers.Location is not { } location) throw Misbehaves(endpoint, "redirects without a Location header");
            if (hop == MostRedirects) throw Misbehaves(endpoint, $"redirects too often: expected at most {MostRedirects} redirects");
            var target = boundary.Resolve(endpoint, new Uri(uri, location));
            if (boundary.RefusalOf(uri, target) is { } refusal) throw Misbehaves(endpoint, $"redirects {refusal} ({target.Authority})");
            // The header is not sent again if a later redirect leads back to the endpoint, because another host chose that address.
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
            throw UpstreamFailures.OfConnection($"upstream {options.Key}: {uri.Authority}", e, uri.Scheme == Uri.UriSchemeHttp);
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
        // Compressed content would have another digest.
        Add("Accept-Encoding", "identity");
        Add("User-Agent", "gateway");
        if (request.Range is var (first, last)) Add("Range", $"bytes={first}-{last}");
        Add("If-Range", request.IfRange);
        Add("If-None-Match", request.IfNoneMatch);
        return message;

        void Add(string name, string? value)
        {
            if (value is not null) message.Headers.TryAddWithoutValidation(name, value);
        }
    }

    private static Uri AddressOf(Uri endpoint, UpstreamRequest request)
    {
        if (request.Reference.AsSpan().ContainsAny("/?#%\\"))
            throw new ArgumentException("expected a tag or digest, got another reference", nameof(request));
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

    /// <summary>The address with a query appended. An upload's address can have a query of the upstream, which is kept unchanged.</summary>
    private static Uri WithQuery(Uri address, string? query) =>
        query is null ? address : new Uri($"{address.GetLeftPart(UriPartial.Query)}{(address.Query.Length == 0 ? '?' : '&')}{query}");

    /// <summary>The body of a 403, or of the refusal of a write; empty if it is too long or does not arrive in time.</summary>
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

    /// <summary>
    /// Whether the gateway follows this status. For a write, it follows only redirects that keep the method. A 303 means that the endpoint
    /// does not have the resource (RFC 9110 §15.4.4): ghcr.io answers requests for referrers so, and the page that it names limits its
    /// clients (artifacthub/hub#4785).
    /// </summary>
    private static bool IsRedirect(UpstreamRequest request, HttpStatusCode status) => (int)status switch
    {
        307 or 308 => true,
        301 or 302 => !request.IsWrite,
        303 => !request.IsWrite && request.Noun != UpstreamNoun.Referrers,
        _ => false,
    };

    // Not validated, because .NET's parser does not split several challenges in one header.
    private static HeaderStringValues ChallengesOf(HttpResponseMessage response) =>
        response.Headers.NonValidated.TryGetValues("WWW-Authenticate", out var values) ? values : default;

    private UpstreamException Misbehaves(Uri endpoint, string what) =>
        new(UpstreamFailure.Misbehaving, $"upstream {options.Key}: {endpoint.Authority} {what}");
}
