using System.Globalization;
using System.Net;
using Gateway.Access;
using Gateway.Operations;
using Gateway.Registry;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Gateway.Fuzz.Targets;

/// <summary>Request targets, path and query: what is taken has one spelling, and <see cref="Uri"/> reads the same.</summary>
public sealed class RequestTargetTarget : FuzzTarget
{
    private static readonly string Digest = "sha256:" + new string('e', 64);

    protected override IEnumerable<byte[]> Inputs => Texts(
        "/v2/", "/v2/_catalog?n=100&last=a%2Fb", "/v2/library/nginx/tags/list?n=0", "/v2/a/b/manifests/latest?ns=docker.io",
        $"/v2/a/manifests/{Digest}?tag=x&tag=y",
        $"/v2/a/blobs/{Digest.Replace(":", "%3A", StringComparison.Ordinal)}",
        $"/v2/a/blobs/uploads/?mount={Digest}&from=b/c&digest-algorithm=sha512",
        "/v2/a/blobs/uploads/0123456789abcdef", "/v2/a/blobs/uploads/0123456789abcdef-262144",
        $"/v2/a/referrers/{Digest}?artifactType=application%2Fx%2Bjson", "/token?scope=x",
        "/-/decisions/d-ABCDEFGH", "/-/promote",
        "/v2/blobs/blobs/uploads", "http://x/v2/", "*");

    protected override string[] Words =>
    [
        "/../", "/./", "//", "%2e%2e", "%252f", "\\", ";x=1", "#", "@", "&ns=", "?", "&n=", "&tag=v1", "%c0%af", "/_catalog/",
        "/blobs/uploads/", "/manifests/", "+", "%00"
    ];

    protected override int MaxLength => 2048;

    protected override string Try(byte[] input)
    {
        var text = HeaderOf(input);
        var (target, problem) = TargetParser.Parse(text);
        if (problem is not null) return $"{problem.Code} {problem.Message}";
        if (target.Route is Route.Unknown or Route.Token) return $"{target.Route}";
        // What ends a request line is no part of a target, and Uri leaves it away.
        if (text.AsSpan().ContainsAnyInRange('\0', ' ')) return "read";
        // Read again from its canonical path it is the same; and no other reader sees another path.
        var (again, _) = TargetParser.Parse(target.Path);
        Assert.Equal(target with { Query = TargetQuery.Empty }, again);
        var uri = new Uri("http://host" + text, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = false });
        var path = uri.AbsolutePath.Replace("%3A", ":", StringComparison.OrdinalIgnoreCase);
        Assert.Equal(target.Path.TrimEnd('/'), path.TrimEnd('/'));
        CheckQuery(target.Query, uri.Query);
        var query = target.Query;
        return $"{target.Route} {target.Reference.IsDigest} {query.Count} {query.Namespace is null} {query.Tags.Length}";
    }

    private static void CheckQuery(TargetQuery read, string query)
    {
        var same = query[Math.Min(1, query.Length)..].Split('&').Select(pair => pair.Split('=', 2))
            .ToLookup(pair => pair[0], pair => pair.Length > 1 ? pair[1] : "");
        Assert.Equal(same["last"].Select(Uri.UnescapeDataString).FirstOrDefault(), read.Last);
        Assert.Equal(same["ns"].Select(Uri.UnescapeDataString).FirstOrDefault(), read.Namespace);
        Assert.Equal(same["tag"].Select(Uri.UnescapeDataString).Distinct(), read.Tags.Select(t => t.ToString()));
        Assert.InRange(read.Count ?? 0, 0, Paging.MaxCount);
        if (read.Namespace is { } ns) Assert.Matches("^[a-z0-9-]+([.][a-z0-9-]+)*(:[1-9][0-9]{0,4})?$", ns);
    }
}

/// <summary>What proxies say: a client is an address, a scheme one of two, and a host has no more than host and port.</summary>
public sealed class ForwardedTarget : FuzzTarget
{
    private static readonly IPNetwork[] Everybody = [IPNetwork.Parse("0.0.0.0/1"), IPNetwork.Parse("128.0.0.0/1")];

    protected override IEnumerable<byte[]> Inputs => Texts(
        "192.0.2.7, 10.0.0.1\nhttps\nr.example:5443\n", "\n\n\nfor=192.0.2.7;proto=https;host=r.example, for=\"[::1]:80\"",
        "unknown\nhttp, https\n[::1]:5000\nfor=_x;by=\"a,b\\\"c\"");

    protected override string[] Words => ["for=", "proto=", "host=", "\"", "\\", ";", ",", "[", "]:", "unknown", "::ffff:1.2.3.4", "https"];

    protected override int MaxLength => 4096;

    protected override string Try(byte[] input)
    {
        var lines = HeaderOf(input).Split('\n');
        var headers = new HeaderDictionary();
        foreach (var (name, line) in ((string[])["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"]).Zip(lines))
            if (line.Length > 0) headers[name] = line;
        var read = ForwardedHeaders.Read(IPAddress.Loopback, headers, [.. Everybody]);
        if (read is null) return "contradictory";
        Assert.True(read.Scheme is null or "http" or "https");
        if (read.Host is { } host) Assert.Equal("/", new Uri($"http://{host}").PathAndQuery);
        return $"{read.Client is null} {read.Scheme} {read.Host is null}";
    }
}

/// <summary>
/// Headers about ranges: <c>Range</c>, against the framework's own reader, <c>Content-Range</c> of chunks, and conditions.
/// </summary>
public sealed class RangeTarget : FuzzTarget
{
    private const long Length = 1000;

    protected override IEnumerable<byte[]> Inputs => Texts(
        "bytes=0-499", "bytes=-500", "bytes=500-", "bytes=0-0,-1", "BYTES=1-2, 5-", "0-1023", "bytes=9223372036854775807-",
        "\"sha256:" + new string('f', 64) + "\"", "W/\"x\", *");

    protected override string[] Words => ["bytes=", "-", ",", "0-0,", "18446744073709551616", " , "];

    protected override int MaxLength => 4096;

    protected override string Try(byte[] input)
    {
        var text = HeaderOf(input);
        var specs = ByteRanges.Parse(text);
        Assert.InRange(specs.Count, 0, ByteRanges.MaxRanges);
        var placed = ByteRanges.Place(specs, Length);
        foreach (var range in placed ?? []) Assert.True(range is { Offset: >= 0, Count: > 0 } && range.Last < Length);
        if (placed?.Count > 1) Assert.InRange(placed.Sum(r => r.Count), 1, Length);
        if (ContentRange.TryParse(text, out var chunk))
            Assert.Equal(text.Split('-').Select(n => long.Parse(n, CultureInfo.InvariantCulture)), [chunk.First, chunk.Last]);
        Compare(text, specs);
        var digest = Oci.Digest.Of("x"u8);
        if (Conditional.IsKnown(text, digest) && !text.Contains('*', StringComparison.Ordinal))
            Assert.Contains(digest.ToString(), text, StringComparison.Ordinal);
        return $"{specs.Count > 0} {placed is null} {placed?.Count} {chunk.Count}";
    }

    // Where the framework reads it too, it reads the same; a suffix of no bytes is here one that begins after the end.
    private static void Compare(string text, IReadOnlyList<RangeSpec> specs)
    {
        if (specs.Count == 0 || specs.Any(s => s.First == long.MaxValue)) return;
        if (!RangeHeaderValue.TryParse(text, out var same) || same.Unit != "bytes") return;
        var ours = specs.Select(s => s.First >= 0 ? (s.First, s.Last) : ((long?)null, (long?)-s.First));
        Assert.Equal(same.Ranges.Select(r => (r.From, r.To)), ours);
    }
}

/// <summary>Basic credentials and the bodies of token requests.</summary>
public sealed class BasicTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs => Texts("Basic dXNlcjpwYXNz", "basic  dTo=", "Bearer abc", "Basic Og==");

    // What is no UTF-8 grows threefold when it is written again, and must stay below the longest that is read.
    protected override int MaxLength => 4096;

    protected override string[] Words => ["Basic ", "Bearer ", "eyJ", ".", "=", "Og=="];

    protected override string Try(byte[] input)
    {
        var text = HeaderOf(input);
        if (AccessControl.ReadBasic(text) is not { } read) return "none";
        Assert.DoesNotContain(':', read.Account);
        var again = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"{read.Account}:{read.Password}"));
        Assert.Equal(read, BasicCredentials.Parse(again));
        Assert.Equal($"credentials of {read.Account}", read.ToString());
        return $"{read.Account.Length == 0} {read.Password.Length == 0}";
    }
}

/// <summary>The bodies of requests of our own: promotion, evaluation, and the admin API's.</summary>
public sealed class RequestBodyTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs => Texts(
        """{"from":"stage/app:v1","to":"prod/app:v1"}""", """{"reference":"prod/app:v1","stage":"pull"}""",
        """{"references":["docker.io/library/nginx:1"],"platforms":["linux/amd64"]}""", """{"repository":"a/**","dryRun":true}""");

    protected override string[] Words =>
    [
        "\"from\":", "\"to\":", "\"reference\":", "\"stage\":\"push\"", "\\ud800", "null", "\"dryRun\":true", "\"platforms\":[null]"
    ];

    protected override string Try(byte[] input)
    {
        var promotion = PromoteEndpoint.Read(input);
        if (promotion is not null) Assert.False(promotion.From == default || promotion.To == default);
        var asked = EvaluateEndpoint.Read(input);
        var (purge, prefetch) = (Admin(input, AdminJson.Default.PurgeRequest), Admin(input, AdminJson.Default.PrefetchRequest));
        return $"{promotion?.What.IsDigest} {asked?.Stage} {asked?.What.IsDigest} {purge} {prefetch}";
    }

    private static string Admin<T>(byte[] input, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        try
        {
            return System.Text.Json.JsonSerializer.Deserialize(input, type) is null ? "null" : "read";
        }
        catch (System.Text.Json.JsonException)
        {
            return "refused";
        }
    }
}
