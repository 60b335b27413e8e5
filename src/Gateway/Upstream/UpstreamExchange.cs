using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Gateway.Configuration;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>One request to one endpoint until its final answer: challenges answered, redirects followed, failures named.</summary>
internal sealed class UpstreamExchange(
    UpstreamOptions options, TrustBoundary boundary, Authenticator authenticator, HttpMessageInvoker client, TimeProvider clock)
{
    // Chosen: two endpoints and a token server fit into the 30 s after which clients begin to give up; a tag's own deadline is shorter.
    private static readonly TimeSpan HeadersTimeout = TimeSpan.FromSeconds(10);

    // As issue trackers of registries show chains: registry → object storage → its mirror; the rest is a loop.
    private const int MostRedirects = 5;

    // Enough for ECR's sentence.
    private const int LongestRefusal = 64 * 1024;

    /// <summary>The final answer. Throws <see cref="UpstreamException"/> for what is none.</summary>
    public async Task<UpstreamResponse> SendAsync(
        Uri endpoint, Account account, UpstreamRequest request, CancellationToken cancellationToken)
    {
        var credentials = account.Credentials;
        var authorization = await authenticator.PrepareAsync(endpoint, credentials, request.Name, cancellationToken);
        var renewed = false;
        while (true)
        {
            var (response, last) = await FollowAsync(endpoint, request, authorization, cancellationToken);
            try
            {
                var own = TrustBoundary.SameOrigin(endpoint, last);
                if (own && response.StatusCode == HttpStatusCode.Unauthorized)
                {
                    var challenges = Challenge.Parse(ChallengesOf(response));
                    authorization = await authenticator.AnswerAsync(
                        endpoint, credentials, request.Name, challenges, authorization, cancellationToken);
                    response.Dispose();
                    continue;
                }
                if (own && !renewed && authorization is not null && response.StatusCode == HttpStatusCode.Forbidden
                    && await SaysExpiredAsync(response, cancellationToken)
                    && await Authenticator.RenewAsync(credentials, authorization, cancellationToken) is { } anew)
                {
                    (authorization, renewed) = (anew, true);
                    response.Dispose();
                    continue;
                }
                if (own) account.Budget.Note(response.Headers.NonValidated);
                return UpstreamAnswer.Read(options.Key, endpoint, last, request, response, account.Budget.EmptyFor, clock.GetUtcNow());
            }
            catch
            {
                response.Dispose();
                throw;
            }
        }
    }

    /// <summary>Follows redirects. None is remembered: where blobs lie is signed for minutes.</summary>
    private async Task<(HttpResponseMessage Response, Uri Last)> FollowAsync(
        Uri endpoint, UpstreamRequest request, Authorization? authorization, CancellationToken cancellationToken)
    {
        var uri = AddressOf(endpoint, request);
        var header = authorization?.Header;
        for (var hop = 0; ; hop++)
        {
            var response = await SendOneAsync(uri, request, header, cancellationToken);
            if (!IsRedirect(response.StatusCode)) return (response, uri);
            response.Dispose();
            if (response.Headers.Location is not { } location) throw Misbehaves(endpoint, "redirects without saying where");
            if (hop == MostRedirects) throw Misbehaves(endpoint, $"redirects more than {MostRedirects} times");
            var target = new Uri(uri, location);
            if (boundary.RefusalOf(uri, target) is { } refusal) throw Misbehaves(endpoint, $"redirects {refusal} ({target.Authority})");
            // Never given back on the way: who redirects to us again is no longer the one we meant to show it to.
            if (!TrustBoundary.SameOrigin(uri, target)) header = null;
            uri = target;
        }
    }

    private async Task<HttpResponseMessage> SendOneAsync(
        Uri uri, UpstreamRequest request, string? authorization, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(HeadersTimeout, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            return await client.SendAsync(MessageOf(uri, request, authorization), either.Token);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw UpstreamFailures.OfConnection($"upstream {options.Key}: {uri.Authority}", e);
        }
    }

    private static HttpRequestMessage MessageOf(Uri uri, UpstreamRequest request, string? authorization)
    {
        var message = new HttpRequestMessage(request.Method, uri);
        Add("Authorization", authorization);
        Add("Accept", request.Noun switch
        {
            UpstreamNoun.Manifest => MediaTypes.AcceptManifests,
            UpstreamNoun.Referrers => MediaTypes.OciIndex,
            UpstreamNoun.Tags => "application/json",
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
        var path = request.Noun switch
        {
            UpstreamNoun.Manifest => $"manifests/{request.Reference}",
            UpstreamNoun.Blob => $"blobs/{request.Reference}",
            UpstreamNoun.Referrers => $"referrers/{request.Reference}",
            _ => "tags/list",
        };
        return new Uri(endpoint, $"/v2/{request.Name}/{path}{(request.Query is null ? "" : $"?{request.Query}")}");
    }

    private static async Task<bool> SaysExpiredAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        var text = await BoundedBody.ReadAsync(body, LongestRefusal, cancellationToken) ?? [];
        return Encoding.UTF8.GetString(text).Contains("authorization token has expired", StringComparison.OrdinalIgnoreCase);
    }

    private static bool IsRedirect(HttpStatusCode status) => (int)status is 301 or 302 or 303 or 307 or 308;

    // As sent, for the platform's own parser does not split several challenges in one header.
    private static HeaderStringValues ChallengesOf(HttpResponseMessage response) =>
        response.Headers.NonValidated.TryGetValues("WWW-Authenticate", out var values) ? values : default;

    private UpstreamException Misbehaves(Uri endpoint, string what) =>
        new(UpstreamFailure.Misbehaving, $"upstream {options.Key}: {endpoint.Authority} {what}");
}
