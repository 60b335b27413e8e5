using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>A final response, and what led to it.</summary>
/// <param name="Last">Where it came from, after redirects.</param>
internal sealed record UpstreamReply(Uri Endpoint, Uri Last, HttpResponseMessage Response)
{
    /// <summary>Whether the endpoint itself said it, and not who it redirected to.</summary>
    public bool IsOwn => TrustBoundary.SameOrigin(Endpoint, Last);

    /// <summary>The upload session after it.</summary>
    public UpstreamSession? Session { get; init; }

    /// <summary>The words of a refused write.</summary>
    public UpstreamError? Error { get; init; }
}

/// <summary>Makes an answer of a final response, or says why it is none.</summary>
internal static class UpstreamAnswer
{
    // Chosen: a page's key is a tag or a digest.
    private const int LongestQuery = 2048;

    /// <param name="emptyFor">For a 429 that does not say when to come back.</param>
    public static UpstreamResponse Read(
        string upstream, UpstreamRequest request, UpstreamReply reply, TimeSpan? emptyFor, DateTimeOffset now)
    {
        var response = reply.Response;
        var status = (int)response.StatusCode;
        var what = $"upstream {upstream}: {reply.Last.Authority} answered {status} to {Describe(request)}";
        if (reply.Error is { } error) what = $"{what}: {error}";
        // Signed addresses are good for one method (moby#50065): where a registry redirects to says nothing to HEAD.
        if (request.Method == HttpMethod.Head && !reply.IsOwn && status is (>= 400 and < 500 and not (408 or 429)) or 501)
            throw Misbehaves("where it was redirected to, which says nothing about a GET");
        // 501 is no "not now": it will not be implemented a moment later.
        if (status is 408 or 429 or (>= 500 and not 501))
        {
            throw UpstreamFailures.OfStatus(what, response, now, emptyFor);
        }
        if (FailureOf(request, reply) is { } failure) throw new UpstreamException(failure, what, status: status) { Error = reply.Error };
        if (!IsAnswer(request, status)) throw Misbehaves("which no registry should");
        if (FindFault(request, response) is { } fault) throw Misbehaves(fault);
        return new UpstreamResponse
        {
            // RFC 9110 §15.5.11: gone for good; there is no other thing to do about it than about 404.
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
            // The response is buffered nowhere: this is the connection itself.
            Body = request.Method == HttpMethod.Head || request.IsWrite ? Stream.Null : response.Content.ReadAsStream(),
            Owner = response,
        };

        UpstreamException Misbehaves(string fault) => new(UpstreamFailure.Misbehaving, $"{what}, {fault}", status: status);
    }

    /// <summary>It took what was sent and calls it by another digest.</summary>
    public static UpstreamException OtherDigest(string upstream, UpstreamRequest request, UpstreamResponse response, Digest digest) => new(
        UpstreamFailure.Misbehaving,
        $"upstream {upstream}: {response.Endpoint.Authority} answered {response.Status} to {Describe(request)}, "
        + $"and calls it {response.DigestClaim} where {digest} was sent",
        status: response.Status);

    private static UpstreamFailure? FailureOf(UpstreamRequest request, UpstreamReply reply)
    {
        var status = (int)reply.Response.StatusCode;
        if (status is 401 or 403)
        {
            // Where it was redirected to, it was let in already: that is a fault of its storage, not a judgement about us.
            if (!reply.IsOwn) return UpstreamFailure.Unavailable;
            return status == 403 && request.IsWrite ? UpstreamFailure.Refused : UpstreamFailure.Unauthorized;
        }
        return request.IsWrite && status >= 400 && !IsAnswer(request, status) ? UpstreamFailure.Refused : null;
    }

    /// <summary>What was not there may be deleted; nothing else that is sent may be missed.</summary>
    private static bool IsAnswer(UpstreamRequest request, int status) => status is >= 200 and < 300
        || (request.IsWrite
            ? status is 404 or 410 && request.Method == HttpMethod.Delete
            : status is 304 or 404 or 405 or 410 or 416 or 501);

    /// <summary>What was asked for, for messages: <c>GET manifests/latest of library/nginx</c>.</summary>
    public static string Describe(UpstreamRequest request) => request.Noun switch
    {
        UpstreamNoun.Catalog => $"{request.Method} _catalog",
        UpstreamNoun.Tags => $"{request.Method} tags of {request.Name}",
        _ => $"{request.Method} {request.Noun.ToString().ToLowerInvariant()} {request.Reference} of {request.Name}",
    };

    private static string? FindFault(UpstreamRequest request, HttpResponseMessage response)
    {
        if (!response.IsSuccessStatusCode || request.IsWrite) return null;
        if (request.Noun == UpstreamNoun.Manifest && response.Content.Headers.ContentType?.MediaType == "text/html")
        {
            return "with a web page instead of a manifest";
        }
        if (response.StatusCode != HttpStatusCode.PartialContent) return null;
        if (request.Range is not var (first, last)) return "though no range was asked for";
        return RangeOf(response) is { } range && range.First == first && range.Last <= last && range.First <= range.Last
            ? null
            : $"with Content-Range '{response.Content.Headers.ContentRange}' where bytes {first}-{last} were asked for";
    }

    private static (long First, long Last, long? Whole)? RangeOf(HttpResponseMessage response) =>
        response.StatusCode == HttpStatusCode.PartialContent
        && response.Content.Headers.ContentRange is { From: { } first, To: { } last, Unit: "bytes" } range
            ? (first, last, range.Length)
            : null;

    // RFC 9110 knows no Range in an answer; the distribution-spec does: "0-<last byte>". distribution says 0-0 of a session without a byte.
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

    /// <summary>The query of <c>Link: &lt;…&gt;; rel="next"</c>: whatever host it names, the next page is asked of this registry.</summary>
    private static string? NextOf(HttpResponseMessage response)
    {
        if (Header(response, "Link") is not { } header || LinkHeader.Next(header) is not { } link) return null;
        var target = link.AsSpan();
        var query = target[(target.IndexOf('?') + 1)..];
        return target.Contains('?') && query.Length <= LongestQuery && !query.ContainsAny("#\r\n ") ? query.ToString() : null;
    }
}
