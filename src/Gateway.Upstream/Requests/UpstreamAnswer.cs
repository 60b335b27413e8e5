using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>A final response, with its origin.</summary>
/// <param name="Endpoint">The endpoint that received the request.</param>
/// <param name="Last">The address that sent the response, after redirects.</param>
internal sealed record UpstreamReply(Uri Endpoint, Uri Last, HttpResponseMessage Response)
{
    /// <summary>Whether the endpoint itself sent the response, not a host to which it redirected.</summary>
    public bool IsOwn => TrustBoundary.SameOrigin(Endpoint, Last);

    /// <summary>The upload session after this response; null if there is none.</summary>
    public UpstreamSession? Session { get; init; }

    /// <summary>The upstream's error for a refused write; null if there is none.</summary>
    public UpstreamError? Error { get; init; }
}

/// <summary>Turns a final response into an <see cref="UpstreamResponse"/> or an <see cref="UpstreamException"/>.</summary>
internal static class UpstreamAnswer
{
    // In characters. Chosen: the key of a page is a tag or a digest.
    private const int LongestQuery = 2048;

    /// <summary>Reads a final response.</summary>
    /// <param name="upstream">The upstream's key in the configuration.</param>
    /// <param name="emptyFor">The pause after a 429 without Retry-After; null if unknown.</param>
    /// <exception cref="UpstreamException">The upstream refused or failed, or the response is not one that a registry sends.</exception>
    public static UpstreamResponse Read(
        string upstream, UpstreamRequest request, UpstreamReply reply, TimeSpan? emptyFor, DateTimeOffset now)
    {
        var response = reply.Response;
        var status = (int)response.StatusCode;
        var what = $"upstream {upstream}: {reply.Last.Authority} answered {status} to {Describe(request)}";
        if (reply.Error is { } error) what = $"{what}: {error}";
        // Signed addresses are valid for one method (moby#50065), so a HEAD at the target of a redirect can fail where GET works.
        if (request.Method == HttpMethod.Head && !reply.IsOwn && status is (>= 400 and < 500 and not (408 or 429)) or 501)
            throw Misbehaves("the target of the redirect does not support HEAD; a GET may work");
        // 501 is not temporary: the method will not be implemented a moment later.
        if (status is 408 or 429 or (>= 500 and not 501))
        {
            throw UpstreamFailures.OfStatus(what, response, now, emptyFor);
        }
        if (FailureOf(request, reply) is { } failure) throw new UpstreamException(failure, what, status: status) { Error = reply.Error };
        if (!IsAnswer(request, status)) throw Misbehaves("expected a status that the distribution-spec defines for this request");
        if (FindFault(request, response) is { } fault) throw Misbehaves(fault);
        return new UpstreamResponse
        {
            // RFC 9110 §15.5.11: 410 means permanently gone, and is handled like 404.
            Status = status == 410 ? 404 : status,
            Length = response.Content.Headers.ContentLength,
            ContentRange = RangeOf(response),
            ContentType = response.Content.Headers.ContentType?.MediaType?.ToLowerInvariant(),
            Codings = ContentEncodings.Of(response.Content.Headers),
            DigestClaim = DigestOf(response, "Docker-Content-Digest"),
            Subject = DigestOf(response, "OCI-Subject"),
            ETag = Header(response, "ETag"),
            NextQuery = NextOf(response),
            Endpoint = reply.Endpoint,
            Session = reply.Session,
            Received = ReceivedOf(response),
            // The response is not buffered: this stream reads from the connection.
            Body = request.Method == HttpMethod.Head || request.IsWrite ? Stream.Null : response.Content.ReadAsStream(),
            Owner = response,
        };

        UpstreamException Misbehaves(string fault) => new(UpstreamFailure.Misbehaving, $"{what}: {fault}", status: status);
    }

    /// <summary>The exception for an upstream that stored what was sent under another digest.</summary>
    public static UpstreamException OtherDigest(string upstream, UpstreamRequest request, UpstreamResponse response, Digest digest) => new(
        UpstreamFailure.Misbehaving,
        $"upstream {upstream}: {response.Endpoint.Authority} answered {response.Status} to {Describe(request)}: "
        + $"expected the digest {digest}, got {response.DigestClaim}",
        status: response.Status);

    private static UpstreamFailure? FailureOf(UpstreamRequest request, UpstreamReply reply)
    {
        var status = (int)reply.Response.StatusCode;
        if (status is 401 or 403)
        {
            // The endpoint already authorized the request and redirected it, so this is a fault of the upstream's storage. Lists of
            // referrers are not stored elsewhere: the endpoint does not know the path.
            if (!reply.IsOwn) return request.Noun == UpstreamNoun.Referrers ? UpstreamFailure.Misbehaving : UpstreamFailure.Unavailable;
            return status == 403 && request.IsWrite ? UpstreamFailure.Refused : UpstreamFailure.Unauthorized;
        }
        return request.IsWrite && status >= 400 && !IsAnswer(request, status) ? UpstreamFailure.Refused : null;
    }

    /// <summary>Whether the status answers the request. 404 answers a deletion, but no other write.</summary>
    private static bool IsAnswer(UpstreamRequest request, int status) => status is >= 200 and < 300
        || (request.IsWrite
            ? status is 404 or 410 && request.Method == HttpMethod.Delete
            : status is 304 or 404 or 405 or 410 or 416 or 501);

    /// <summary>The request as text for messages: <c>GET manifest latest of library/nginx</c>.</summary>
    public static string Describe(UpstreamRequest request) => request.Noun switch
    {
        UpstreamNoun.Catalog => $"{request.Method} _catalog",
        UpstreamNoun.Tags => $"{request.Method} tags of {request.Name}",
        _ => $"{request.Method} {request.Noun.ToString().ToLowerInvariant()} {request.Reference} of {request.Name}",
    };

    private static string? FindFault(UpstreamRequest request, HttpResponseMessage response)
    {
        if (!response.IsSuccessStatusCode || request.IsWrite) return null;
        if (IsWebPage(request, response)) return $"expected a {request.Noun.ToString().ToLowerInvariant()}, got a web page";
        if (response.StatusCode != HttpStatusCode.PartialContent) return null;
        if (request.Range is not var (first, last)) return "expected the whole content, got a range";
        return RangeOf(response) is { } range && range.First == first && range.Last <= last && range.First <= range.Last
            ? null
            : $"expected bytes {first}-{last}, got Content-Range '{response.Content.Headers.ContentRange}'";
    }

    /// <summary>
    /// Whether the answer is a page for people, such as the login page of a proxy in front of the registry. It says nothing about the
    /// content. A blob can be a page too: then the registry names its digest.
    /// </summary>
    private static bool IsWebPage(UpstreamRequest request, HttpResponseMessage response) =>
        response.Content.Headers.ContentType?.MediaType is "text/html" or "application/xhtml+xml"
        && (request.Noun == UpstreamNoun.Manifest
            || (request.Noun == UpstreamNoun.Blob && DigestOf(response, "Docker-Content-Digest").ToString() != request.Reference));

    private static (long First, long Last, long? Whole)? RangeOf(HttpResponseMessage response) =>
        response.StatusCode == HttpStatusCode.PartialContent
        && response.Content.Headers.ContentRange is { From: { } first, To: { } last, Unit: "bytes" } range
            ? (first, last, range.Length)
            : null;

    // RFC 9110 has no Range header in responses; the distribution-spec has: "0-<last byte>". distribution sends 0-0 for an empty session.
    private static long? ReceivedOf(HttpResponseMessage response)
    {
        var range = Header(response, "Range").AsSpan();
        if (range.StartsWith("bytes=")) range = range["bytes=".Length..];
        if (!range.StartsWith("0-") || !long.TryParse(range[2..], NumberStyles.None, CultureInfo.InvariantCulture, out var last))
            return null;
        return last == 0 ? 0 : last + 1;
    }

    private static Digest DigestOf(HttpResponseMessage response, string header) =>
        Digest.TryParse(Header(response, header), out var digest) ? digest : default;

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null;

    /// <summary>
    /// The query of <c>Link: &lt;…&gt;; rel="next"</c>. The gateway ignores the host: it requests the next page from the same upstream.
    /// </summary>
    private static string? NextOf(HttpResponseMessage response)
    {
        if (Header(response, "Link") is not { } header || LinkHeader.Next(header) is not { } link) return null;
        var target = link.AsSpan();
        var query = target[(target.IndexOf('?') + 1)..];
        return target.Contains('?') && query.Length <= LongestQuery && !query.ContainsAny("#\r\n ") ? query.ToString() : null;
    }
}
