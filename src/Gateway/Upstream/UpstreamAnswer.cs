using System.Net;
using System.Net.Http.Headers;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>Makes an answer of a final response, or says why it is none.</summary>
internal static class UpstreamAnswer
{
    // Chosen: a page's key is a tag or a digest.
    private const int LongestQuery = 2048;

    /// <param name="last">Where the final answer came from, after redirects.</param>
    /// <param name="emptyFor">For a 429 that does not say when to come back.</param>
    public static UpstreamResponse Read(
        string upstream,
        Uri endpoint,
        Uri last,
        UpstreamRequest request,
        HttpResponseMessage response,
        TimeSpan? emptyFor,
        DateTimeOffset now)
    {
        var status = (int)response.StatusCode;
        var what = $"upstream {upstream}: {last.Authority} answered {status} to {Describe(request)}";
        if (status is 408 or 429 or >= 500) throw UpstreamFailures.OfStatus(what, response, now, emptyFor);
        if (status is 401 or 403)
        {
            // Where it was redirected to, it was let in already: that is a fault of its storage, not a judgement about us.
            var failure = TrustBoundary.SameOrigin(endpoint, last) ? UpstreamFailure.Unauthorized : UpstreamFailure.Unavailable;
            throw new UpstreamException(failure, what, status: status);
        }
        if (status is not (>= 200 and < 300 or 304 or 404 or 405 or 416)) throw Misbehaves("which no registry should");
        if (FindFault(request, response) is { } fault) throw Misbehaves(fault);
        return new UpstreamResponse
        {
            Status = status,
            Length = response.Content.Headers.ContentLength,
            ContentRange = RangeOf(response),
            ContentType = response.Content.Headers.ContentType?.MediaType,
            DigestClaim = Digest.TryParse(Header(response, "Docker-Content-Digest"), out var digest) ? digest : default,
            ETag = Header(response, "ETag"),
            NextQuery = NextOf(response),
            Endpoint = endpoint,
            // The response is buffered nowhere: this is the connection itself.
            Body = request.Method == HttpMethod.Head ? Stream.Null : response.Content.ReadAsStream(),
            Owner = response,
        };

        UpstreamException Misbehaves(string fault) => new(UpstreamFailure.Misbehaving, $"{what}, {fault}", status: status);
    }

    /// <summary>What was asked for, for messages: <c>GET manifests/latest of library/nginx</c>.</summary>
    public static string Describe(UpstreamRequest request) => request.Noun == UpstreamNoun.Tags
        ? $"{request.Method} tags of {request.Name}"
        : $"{request.Method} {request.Noun.ToString().ToLowerInvariant()} {request.Reference} of {request.Name}";

    private static string? FindFault(UpstreamRequest request, HttpResponseMessage response)
    {
        if (!response.IsSuccessStatusCode) return null;
        if (response.Content.Headers.ContentEncoding.Any(e => !e.Equals("identity", StringComparison.OrdinalIgnoreCase)))
        {
            return "with a Content-Encoding, which changes the bytes and so the digest";
        }
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

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null;

    /// <summary>The query of <c>Link: &lt;…&gt;; rel="next"</c>: whatever host it names, the next page is asked of this registry.</summary>
    private static string? NextOf(HttpResponseMessage response)
    {
        var link = Header(response, "Link");
        if (link?.Replace("\"", "", StringComparison.Ordinal).Contains("rel=next", StringComparison.OrdinalIgnoreCase) != true) return null;
        var target = link.AsSpan(link.IndexOf('<') + 1);
        var end = target.IndexOf('>');
        if (end < 0) return null;
        target = target[..end];
        var query = target[(target.IndexOf('?') + 1)..];
        return target.Contains('?') && query.Length <= LongestQuery && !query.ContainsAny("#\r\n ") ? query.ToString() : null;
    }
}
