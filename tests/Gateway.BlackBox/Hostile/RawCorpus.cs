using System.Globalization;
using System.Text;

namespace Gateway.BlackBox.Hostile;

/// <summary>The expected outcome of a case when nothing is in front of the gateway.</summary>
internal enum Reading
{
    /// <summary>The request and the one behind it are answered.</summary>
    Sound,

    /// <summary>The request is answered before its body, which no handler reads, and nothing behind it is read.</summary>
    Last,

    /// <summary>The request is refused, and nothing behind it is read.</summary>
    Refused,

    /// <summary>RFC 9112 allows both: the request is refused, or read as written.</summary>
    Either,
}

/// <summary>
/// The bytes of one connection: a request for <c>cN/own</c>, and one for <c>cN/next</c> behind it. The body of the first may contain a
/// request for <c>cN/smuggled</c>, which must never be answered.
/// </summary>
internal sealed record RawCase(int Number, string Name, Reading Reading, byte[] Bytes);

/// <summary>Every case, in the same order in each run.</summary>
internal sealed class RawCorpus
{
    private readonly List<RawCase> _cases = [];

    private RawCorpus()
    {
        AddBothLengths();
        AddLengths();
        AddChunks();
        AddLines();
        AddRequestLines();
        AddSizes();
    }

    public static IReadOnlyList<RawCase> Cases { get; } = new RawCorpus()._cases;

    // A reader that uses the shorter of the two lengths sees the smuggled request.
    private void AddBothLengths()
    {
        foreach (var coding in RawSpellings.TransferEncodings)
        {
            foreach (var request in Requests)
            {
                var tail = $"0\r\n\r\n{Smuggled}";
                Add(
                    $"CL.TE {request.Name} {coding}", Reading.Refused,
                    $"{request.Start()}Content-Length: {Length(tail)}\r\n{coding}\r\n\r\n{tail}");
                var chunk = $"{Length(Smuggled):x}\r\n";
                var chunks = $"{chunk}{Smuggled}\r\n0\r\n\r\n";
                Add(
                    $"TE.CL {request.Name} {coding}", Reading.Refused,
                    $"{request.Start()}{coding}\r\nContent-Length: {chunk.Length}\r\n\r\n{chunks}");
            }
            var isChunked = RawSpellings.IsChunked(coding);
            Add(
                $"TE alone {coding}", isChunked ? Reading.Sound : Reading.Refused,
                $"{Requests[0].Start()}{coding}\r\n\r\n4\r\nabcd\r\n0\r\n\r\n");
        }
    }

    private void AddLengths()
    {
        foreach (var request in Requests)
        {
            foreach (var length in RawSpellings.Lengths)
                Add($"CL {request.Name} {length}", Reading.Refused, $"{request.Start()}Content-Length: {length}\r\n\r\nabcd");
            foreach (var length in (string[])["4", "04", "00000000004", " 4", "4 ", "\t4\t"])
                Add($"CL {request.Name} '{length}'", request.Sound, $"{request.Start()}Content-Length:{length}\r\n\r\nabcd");
            Add($"CL {request.Name} smuggled", request.Sound, $"{request.Start()}Content-Length: {Length(Smuggled)}\r\n\r\n{Smuggled}");
        }
    }

    private void AddChunks()
    {
        foreach (var request in Requests)
        {
            foreach (var chunks in RawSpellings.BrokenChunks)
                Add($"chunks {request.Name} {chunks}", Reading.Refused, $"{request.Start()}Transfer-Encoding: chunked\r\n\r\n{chunks}");
            foreach (var chunks in RawSpellings.SoundChunks)
                Add($"chunks {request.Name} {chunks}", request.Sound, $"{request.Start()}Transfer-Encoding: chunked\r\n\r\n{chunks}");
            Add($"chunks {request.Name} end early", Reading.Refused, $"{request.Start()}Transfer-Encoding: chunked\r\n\r\n0\r\n{Smuggled}");
            Add(
                $"chunks {request.Name} smuggled", request.Sound,
                $"{request.Start()}Transfer-Encoding: chunked\r\n\r\n{Length(Smuggled):x}\r\n{Smuggled}\r\n0\r\n\r\n");
        }
    }

    private void AddLines()
    {
        foreach (var line in RawSpellings.OddLines) Add($"line {line}", Reading.Either, $"{Get}{line}\r\n");
        foreach (var line in RawSpellings.BrokenLines) Add($"line {line}", Reading.Refused, $"{Get}{line}\r\n");
        foreach (var line in RawSpellings.SoundLines)
        {
            Add($"line GET {line}", Reading.Sound, $"{Get}{line}\r\n");
            var expects = line.StartsWith("Expect", StringComparison.Ordinal);
            Add(
                $"line PUT {line}", expects ? Reading.Last : Reading.Sound,
                $"{Requests[0].Start()}{line}Content-Length: {Length(Smuggled)}\r\n\r\n{Smuggled}");
        }
        foreach (var host in RawSpellings.BrokenHosts) Add($"host {host}", Reading.Refused, $"GET {Own} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        foreach (var host in (string[])["h", "h:80", "127.0.0.1", "[::1]", "[::1]:80", "H.EXAMPLE", "a-b.c_d"])
            Add($"host {host}", Reading.Sound, $"GET {Own} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        Add("host missing", Reading.Refused, $"GET {Own} HTTP/1.1\r\n\r\n");
        Add("host twice", Reading.Refused, $"GET {Own} HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n");
        Add("all lines end in LF", Reading.Refused, $"GET {Own} HTTP/1.1\nHost: h\n\n");
        Add("last line ends in LF", Reading.Refused, $"{Get}\n");
        Add("all lines end in CR", Reading.Refused, $"GET {Own} HTTP/1.1\rHost: h\r\r");
    }

    private void AddRequestLines()
    {
        foreach (var line in RawSpellings.BrokenRequestLines)
            Add($"request {line}", Reading.Refused, $"{string.Format(CultureInfo.InvariantCulture, line, Own)}\r\nHost: h\r\n\r\n");
        foreach (var line in RawSpellings.OddRequestLines)
            Add($"request {line}", Reading.Either, $"{string.Format(CultureInfo.InvariantCulture, line, Own)}\r\nHost: h\r\n\r\n");
        Add("empty lines first", Reading.Either, $"\r\n\r\n{Get}\r\n");
        Add(
            "HTTP/1.0 with a length", Reading.Either,
            $"PUT {OwnManifest} HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nabcd");
        Add(
            "HTTP/1.0 in chunks", Reading.Refused,
            $"PUT {OwnManifest} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n");
        Add("HTTP/2 preface", Reading.Refused, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0");
        foreach (var expect in (string[])["100-Continue", "200-ok", "100-continue, x", "x", ""])
            Add($"Expect {expect}", Reading.Either, $"{Requests[0].Start()}Expect: {expect}\r\nContent-Length: 4\r\n\r\nabcd");
        foreach (var method in (string[])["HEAD", "DELETE", "OPTIONS", "TRACE", "PATCH", "GET"])
            Add(
                $"{method} with a body", Reading.Last,
                $"{method} {Own} HTTP/1.1\r\nHost: h\r\nContent-Length: {Length(Smuggled)}\r\n\r\n{Smuggled}");
        foreach (var upgrade in (string[])["websocket", "h2c", "TLS/1.3", "x"])
            Add($"Upgrade {upgrade}", Reading.Either, $"{Get}Connection: Upgrade\r\nUpgrade: {upgrade}\r\nSec-WebSocket-Key: AAAA\r\n\r\n");
    }

    private void AddSizes()
    {
        var many = string.Concat(Enumerable.Range(0, 1000).Select(i => $"X{i}: a\r\n"));
        Add("header of 100,000 bytes", Reading.Refused, $"{Get}X: {new string('a', 100_000)}\r\n\r\n");
        Add("1,000 headers", Reading.Refused, $"{Get}{many}\r\n");
        Add("target of 100,000 bytes", Reading.Refused, $"GET {Own}?a={new string('a', 100_000)} HTTP/1.1\r\nHost: h\r\n\r\n");
        Add("method of 10,000 bytes", Reading.Refused, $"{new string('A', 10_000)} {Own} HTTP/1.1\r\nHost: h\r\n\r\n");
        foreach (var request in Requests)
        {
            Add(
                $"chunk extension of 10,000 bytes {request.Name}", Reading.Either,
                $"{request.Start()}Transfer-Encoding: chunked\r\n\r\n4;{new string('a', 10_000)}\r\nabcd\r\n0\r\n\r\n");
            Add(
                $"trailer of 100,000 bytes {request.Name}", Reading.Refused,
                $"{request.Start()}Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\nX: {new string('a', 100_000)}\r\n\r\n");
            Add(
                $"1,000 trailers {request.Name}", Reading.Refused,
                $"{request.Start()}Transfer-Encoding: chunked\r\n\r\n0\r\n{many}\r\n");
        }
    }

    private string Id => $"c{_cases.Count}";

    private string Own => $"/v2/{Id}/own/tags/list";

    private string OwnManifest => $"/v2/{Id}/own/manifests/x";

    private string Get => $"GET {Own} HTTP/1.1\r\nHost: h\r\n";

    private string Smuggled => $"GET /v2/{Id}/smuggled/tags/list HTTP/1.1\r\nHost: h\r\n\r\n";

    // One request whose handler reads the body, and one that is answered before its body.
    private (string Name, Reading Sound, Func<string> Start)[] Requests =>
    [
        ("PUT", Reading.Sound, () =>
            $"PUT {OwnManifest} HTTP/1.1\r\nHost: h\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n"),
        ("POST", Reading.Last, () => $"POST /v2/{Id}/own/blobs/uploads/ HTTP/1.1\r\nHost: h\r\n"),
    ];

    private static int Length(string text) => Encoding.Latin1.GetByteCount(text);

    private void Add(string name, Reading reading, string bytes) => _cases.Add(new(
        _cases.Count, $"{Id} {name[..Math.Min(name.Length, 80)]}", reading,
        Encoding.Latin1.GetBytes($"{bytes}GET /v2/{Id}/next/tags/list HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")));
}
