using System.Globalization;
using System.Net;
using Gateway.Oci;
using Gateway.Upstream;

namespace Gateway.Fuzz.Targets;

/// <summary>Challenges of upstreams, several to a header.</summary>
public sealed class ChallengeTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs => Texts(
        "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull\"",
        "Basic realm=\"x\", Bearer realm=\"y\", error=\"insufficient_scope\"",
        "Negotiate dG9rZW4=, Basic realm=\"a \\\" b\"", "bearer REALM = x ,, service= y");

    protected override string[] Words => ["Bearer ", "Basic ", "realm=", "service=", "scope=", "\\\"", "==", ", "];

    protected override string Try(byte[] input)
    {
        var read = Challenge.Parse([HeaderOf(input)]);
        Assert.InRange(read.Count, 0, 16);
        foreach (var challenge in read)
        {
            Assert.Equal(challenge.Scheme.ToLowerInvariant(), challenge.Scheme);
            Assert.All(challenge.Parameters.Keys, name => Assert.NotEqual("", name));
        }
        // What was read, written the usual way, is read the same.
        var again = Challenge.Parse(read.Select(Write));
        Assert.Equal(read.Select(Write), again.Select(Write));
        return string.Join(' ', read.Select(c => $"{c.Scheme.Length > 6} {c.Parameters.Count} {c["realm"] is null}"));
    }

    private static string Write(Challenge challenge) => $"{challenge.Scheme} " + string.Join(
        ", ", challenge.Parameters.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => $"{p.Key}=\"{Quoted(p.Value)}\""));

    private static string Quoted(string text) =>
        text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
}

/// <summary>
/// The heads of upstreams' answers, a header a line behind the status: <c>Link</c>, <c>Retry-After</c>, rate limits, ranges, types.
/// </summary>
public sealed class UpstreamHeadTarget : FuzzTarget
{
    private static readonly Uri Endpoint = new("https://registry.example");
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    protected override IEnumerable<byte[]> Inputs => Texts(
        "206\nContent-Range: bytes 0-9/100\nETag: \"x\"",
        "429\nRetry-After: 120\nratelimit-limit: 100;w=21600\nratelimit-remaining: 0;w=21600",
        "503\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT",
        "200\nratelimit-limit: 60\nratelimit-remaining: 59\nratelimit-reset: 1772366460", "200\nContent-Encoding: gzip",
        "401\nWWW-Authenticate: Bearer realm=\"x\"");

    protected override string[] Words =>
    [
        "\nLink: ", "\nRetry-After: ", "\nratelimit-limit: ", "\nratelimit-reset: ", ";w=", "rel=next", "<", ">", "bytes ", "*/",
        "\nContent-Range: bytes ",
        "\nContent-Length: ", "\nContent-Type: text/html", "http://169.254.169.254/?", "206", "404",
    ];

    protected override string Try(byte[] input)
    {
        var lines = HeaderOf(input).Split('\n');
        if (!int.TryParse(lines[0], NumberStyles.None, CultureInfo.InvariantCulture, out var status) || status is < 100 or > 999)
            return "no status";
        using var response = new HttpResponseMessage((HttpStatusCode)status) { Content = new ByteArrayContent([]) };
        foreach (var line in lines.Skip(1).Select(l => l.Split(':', 2)).Where(l => l.Length == 2 && IsHeader(l)))
        {
            _ = response.Headers.TryAddWithoutValidation(line[0], line[1].Trim())
                || response.Content.Headers.TryAddWithoutValidation(line[0], line[1].Trim());
        }
        var budget = new RateBudget(new FixedClock(Now));
        budget.Note(response.Headers.NonValidated, budget.Now);
        if (budget.RateLimit is { } left) Assert.InRange(left.Remaining, 0, left.Limit);
        if (budget.EmptyFor is { } empty) Assert.InRange(empty, TimeSpan.Zero, TimeSpan.FromMinutes(15));
        return $"{budget.RateLimit?.Stretch is null} {Read(response)}";
    }

    private static string Read(HttpResponseMessage response)
    {
        var request = new UpstreamRequest(HttpMethod.Get, UpstreamNoun.Manifest, RepositoryName.Parse("a/b"), "latest") { Range = (0, 9) };
        try
        {
            var answer = UpstreamAnswer.Read("up", request, new(Endpoint, Endpoint, response), null, Now);
            if (answer.NextQuery is { } next) Assert.Equal("a.example", new Uri($"https://a.example/v2/a/tags/list?{next}").Host);
            return $"{answer.Status} {answer.ContentRange is null} {answer.NextQuery is null} {answer.DigestClaim.IsEmpty}";
        }
        catch (UpstreamException e)
        {
            if (e.RetryAfter is { } wait) Assert.InRange(wait, TimeSpan.Zero, TimeSpan.FromHours(1));
            return $"{e.Failure} {e.Message}";
        }
    }

    // What HttpClient would not let through is not ours to read.
    private static bool IsHeader(string[] line) =>
        line[0].Length > 0 && line[0].All(c => char.IsAsciiLetterOrDigit(c) || c == '-') && !line[1].AsSpan().ContainsAny("\r\0");

    private sealed class FixedClock(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }
}

/// <summary><c>Link</c> headers, several links to a header.</summary>
public sealed class LinkHeaderTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs => Texts(
        "</v2/a/tags/list?n=2&last=b>; rel=\"next\"", "<a>; rel=first; title=\"x, \\\" y\", <b>; rel=\"last next\"",
        "<a>;rel=next,<b>;rel=next");

    protected override string[] Words => ["<", ">", ";", ",", "rel=", "next", "\"", "\\", "title*=UTF-8''", "anchor=\"#\""];

    protected override string Try(byte[] input)
    {
        var header = HeaderOf(input);
        if (LinkHeader.Next(header) is not { } target) return "none";
        Assert.Contains($"<{target}>", header, StringComparison.Ordinal);
        // What was read, written the usual way, is read the same.
        Assert.Equal(target, LinkHeader.Next($"<x>; rel=\"prev\", <{target}>; rel=\"next\""));
        return $"{header.Count(c => c == '<')} {header.Contains('"', StringComparison.Ordinal)}";
    }
}

/// <summary>What token servers and credential helpers answer, and what upstreams say of a refusal.</summary>
public sealed class CredentialAnswerTarget : FuzzTarget
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    protected override IEnumerable<byte[]> Inputs => Texts(
        """{"token":"abc","expires_in":300,"issued_at":"2026-01-01T00:00:00Z"}""", """{"access_token":"x","token":""}""",
        """{"ServerURL":"https://index.docker.io/v1/","Username":"me","Secret":"s"}""", """{"Username":"<token>","Secret":"r"}""");

    protected override string[] Words =>
    [
        "\"token\":", "\"expires_in\":-1", "\"expires_in\":1e99", "\\r\\nX: y", "\\ud800", "\"Secret\":", "null"
    ];

    protected override string Try(byte[] input)
    {
        var token = TokenClient.Read(input, Now);
        if (token is not null)
        {
            Assert.DoesNotContain(token.Value, c => c is < '!' or > '~');
            Assert.InRange(token.Until, Now.AddMinutes(-1), Now.AddDays(2));
        }
        var credential = CredentialHelper.Parse(input);
        if (credential is not null) Assert.Equal($"credentials of {credential.Username}", credential.ToString());
        var error = UpstreamError.Read(input);
        if (error is not null) Assert.DoesNotContain($"{error}", char.IsControl);
        return $"{token is null} {credential is null} {credential?.IsRefreshToken} {error is null}";
    }
}
