namespace Gateway.BlackBox.Hostile;

/// <summary>Spellings that two programs may read differently; <see cref="RawCorpus"/> is built from them.</summary>
internal static class RawSpellings
{
    /// <summary>Header lines that some programs read as Transfer-Encoding, and others as something different or nothing.</summary>
    public static readonly string[] TransferEncodings =
    [
        "Transfer-Encoding: chunked", "transfer-encoding: chunked", "TRANSFER-ENCODING: CHUNKED", "Transfer-Encoding: Chunked",
        "Transfer-Encoding:chunked", "Transfer-Encoding:  chunked", "Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked ",
        "Transfer-Encoding: chunked\t", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: identity", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: xchunked", "Transfer-Encoding: chunkedx", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: 'chunked'",
        "Transfer-Encoding: chunked;q=1", "Transfer-Encoding: chunk", "Transfer-Encoding: chunked,", "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: c hunked", "Transfer-Encoding: x", "Transfer-Encoding: ", "Transfer-Encoding: \u000bchunked",
        "Transfer-Encoding: \0chunked", "Transfer-Encoding: chunked\0", "Transfer-Encoding: \u00a0chunked",
        "Transfer-Encoding: chunked\u000c",
        "Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", " Transfer-Encoding: chunked", "\tTransfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding\0: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\ntransfer-encoding: x", "Transfer-Encoding: \r\nTransfer-Encoding: chunked",
    ];

    /// <summary>Whether it is one line with the value chunked, where only case and surrounding space differ.</summary>
    public static bool IsChunked(string line) =>
        line.Split(':', 2) is [var name, var value]
        && name.Equals("Transfer-Encoding", StringComparison.OrdinalIgnoreCase)
        && value.Trim(' ', '\t').Equals("chunked", StringComparison.OrdinalIgnoreCase);

    /// <summary>Values of Content-Length for a body of four bytes.</summary>
    public static readonly string[] Lengths =
    [
        "-4", "+4", "+0", "-0", "0x4", "0x0", "4 4", "4,4", "4, 4", "4, 5", "4;", "4.0", "4e0", "4a", "a4", "\"4\"", "4\u000b", "\u000c4",
        "4\0", "", "abc", "4_0", "\u00b24", "99999999999999999999", "9223372036854775808", "18446744073709551620", "4294967300",
        "4\r\nContent-Length: 4", "4\r\nContent-Length: 5", "5\r\ncontent-length: 4", "4\r\nContent-Length : 4", "4\r\n 0", "\r\n 4",
        "4\r0", "4\n0",
    ];

    /// <summary>Chunked bodies that every reader must refuse.</summary>
    public static readonly string[] BrokenChunks =
    [
        "0x4\r\nabcd\r\n0\r\n\r\n", "+4\r\nabcd\r\n0\r\n\r\n", "-4\r\nabcd\r\n0\r\n\r\n", "4\nabcd\n0\n\n", "4\nabcd\r\n0\r\n\r\n",
        "4\rabcd\r\n0\r\n\r\n", "4\r\nabcd\n0\r\n\r\n", "4\r\nabcd0\r\n\r\n", "4\r\nabcdX\r\n0\r\n\r\n", "4\r\nabcde\r\n0\r\n\r\n",
        "4\r\nabc\r\n0\r\n\r\n", "G\r\nabcd\r\n0\r\n\r\n", "\r\n4\r\nabcd\r\n0\r\n\r\n", "4\r\n\r\nabcd\r\n0\r\n\r\n",
        "4\0\r\nabcd\r\n0\r\n\r\n",
        "\0004\r\nabcd\r\n0\r\n\r\n", "4;a\nb\r\nabcd\r\n0\r\n\r\n", "4;a\rb\r\nabcd\r\n0\r\n\r\n",
        "4;\nGET / HTTP/1.1\r\nabcd\r\n0\r\n\r\n",
        "4;a=\"b\nc\"\r\nabcd\r\n0\r\n\r\n", "FFFFFFFFFFFFFFFF\r\nabcd\r\n0\r\n\r\n", "10000000000000004\r\nabcd\r\n0\r\n\r\n",
        "100000004\r\nabcd\r\n0\r\n\r\n", "8000000000000004\r\nabcd\r\n0\r\n\r\n", "7FFFFFFFFFFFFFFF\r\nabcd\r\n0\r\n\r\n",
        "4,\r\nabcd\r\n0\r\n\r\n", "4 4\r\nabcd\r\n0\r\n\r\n", "\"4\"\r\nabcd\r\n0\r\n\r\n", "four\r\nabcd\r\n0\r\n\r\n",
        "4\r\nabcd\r\n0x0\r\n\r\n",
        "4\r\nabcd\r\n-0\r\n\r\n", "4\r\nabcd\r\n0\n\r\n", "4\r\nabcd\r\n0\r\n\n", "4\r\nabcd\r\n0\r\nX\r\n\r\n",
        "4\r\nabcd\r\n0\r\nX : y\r\n\r\n",
        "4\r\nabcd\r\n0\r\n X: y\r\n\r\n", "4\r\nabcd\r\n0\r\nX: y\nZ: z\r\n\r\n", "4\r\nabcd\r\n0\r\n: y\r\n\r\n", "4\r\nabcd\r\n\r\n\r\n",
        "4\r\nabcd\r\n0;\n\r\n\r\n",
    ];

    /// <summary>Chunked bodies that every reader reads as four bytes.</summary>
    public static readonly string[] SoundChunks =
    [
        "4\r\nabcd\r\n0\r\n\r\n", "04\r\nabcd\r\n0\r\n\r\n", "0004\r\nabcd\r\n00\r\n\r\n", "4;a=b\r\nabcd\r\n0\r\n\r\n",
        "4;a=\"b\"\r\nabcd\r\n0;c\r\n\r\n", "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n", "1\r\na\r\n3\r\nbcd\r\n0\r\nX: y\r\n\r\n",
        "4\r\nabcd\r\n0\r\nContent-Length: 5\r\n\r\n", "4\r\nabcd\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "A\r\nabcdefghij\r\n0\r\n\r\n",
        "a\r\nabcdefghij\r\n0\r\n\r\n",
    ];

    /// <summary>Lines of a head that every reader must refuse, each with its own line end.</summary>
    public static readonly string[] BrokenLines =
    [
        "X: a\r\n folded\r\n", "X: a\r\n\tfolded\r\n", "X : a\r\n", "X\t: a\r\n", " X: a\r\n", "no colon\r\n", ": a\r\n", "X: a\0b\r\n",
        "X: a\rb\r\n",
        "X: a\nY: b\r\n", "X: a\n", "X\0: a\r\n", "X Y: a\r\n", "X\u00e4: a\r\n", "X\rY: a\r\n",
        "\r\rX: a\r\n", "X: a\u0000\r\n", "Host: other\r\n", "Host : h\r\n", "host: h\r\n", "X-Bytes: \u00e4\u00f6\r\n", "X\n: a\r\n",
    ];

    /// <summary>Invalid header names (RFC 9110 §5.6.2) that cannot be mistaken for another header.</summary>
    public static readonly string[] OddLines =
    [
        "X(: a\r\n", "X): a\r\n", "X,: a\r\n", "X;: a\r\n", "X<: a\r\n", "X a\r\n", "X[: a\r\n", "X\\: a\r\n", "X/: a\r\n", "X=: a\r\n",
        "X?: a\r\n", "X{: a\r\n", "X\": a\r\n", "X\u007f: a\r\n",
    ];

    /// <summary>Values of Host that name no host.</summary>
    public static readonly string[] BrokenHosts =
    [
        "a b", "a,b", "a@b", "user:pw@a", "a/b", "a:b", "[", "]", "[::1", "a\0b", "a\"b", "a\\b", "a<b", "a%00b", "a#b", "a?b", "\u00e4",
        "a\tb", "http://a", "a;b", "a\u007f", "a:80:80", "{a}", "a`b", "a^b", "a|b",
    ];

    /// <summary>Request lines that no reader may read as a request for the path; {0} is the path.</summary>
    public static readonly string[] BrokenRequestLines =
    [
        "GET {0}", "GET {0} HTTP/0.9", "GET {0} HTTP/1.2", "GET {0} HTTP/2.0", "GET {0} HTTP/3.0", "GET {0} HTTP/1.10", "GET {0} HTTP/01.1",
        "GET {0} HTTP/1", "GET {0} HTTP/", "GET {0} http/1.1", "GET {0} HTTPS/1.1", "GET {0} HTTP/1.1 x", "GET {0} HTTP/1.1\0",
        "GET {0}\tHTTP/1.1",
        "GET\t{0} HTTP/1.1", "GET  {0} HTTP/1.1", " GET {0} HTTP/1.1", "GET{0} HTTP/1.1", "G\0T {0} HTTP/1.1",
        "GET: {0} HTTP/1.1", "G(T {0} HTTP/1.1", "{0} GET HTTP/1.1", "GET {0} {0} HTTP/1.1", "GET {0}\0 HTTP/1.1",
        "GET {0}\u00e4 HTTP/1.1", "GET h{0} HTTP/1.1", "GET *{0} HTTP/1.1", "GET ?{0} HTTP/1.1", "GET \\{0} HTTP/1.1",
        "GET http://other{0} HTTP/1.1", "GET http://h:99999{0} HTTP/1.1", "GET ftp://h{0} HTTP/1.1",
        "CONNECT h:80 HTTP/1.1", "PRI * HTTP/2.0", "GET / HTTP/1.1\rGET {0} HTTP/1.1",
    ];

    /// <summary>Request lines of other requests, whose end is unambiguous.</summary>
    public static readonly string[] OddRequestLines =
    [
        "GET {0}  HTTP/1.1", "GET {0}#a HTTP/1.1", "GET {0}\u000b HTTP/1.1", "GET //h{0} HTTP/1.1", "CONNECT {0} HTTP/1.1",
        "OPTIONS * HTTP/1.1",
    ];

    /// <summary>Headers that do not change the meaning of a request for any reader.</summary>
    public static readonly string[] SoundLines =
    [
        "", "Connection: keep-alive\r\n", "Connection: keep-alive, X\r\n", "Connection: Host\r\n", "Connection: Content-Length\r\n",
        "Connection: Transfer-Encoding\r\n", "Keep-Alive: timeout=1000000\r\n", "Expect: 100-continue\r\n", "TE: trailers\r\n",
        "TE: trailers, chunked\r\n", "Trailer: Content-Length\r\n", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        "X-HTTP-Method-Override: DELETE\r\n", "X-Original-URL: /v2/other/tags/list\r\n", "X-Rewrite-URL: /v2/other/tags/list\r\n",
        "X-Forwarded-Host: other\r\n", "X-Forwarded-Proto: https\r\n", "Forwarded: host=other\r\n", "Content-Length_: 9\r\n",
        "Content_Length: 9\r\n", "Transfer_Encoding: chunked\r\n", "X-Content-Length: 9\r\n", "X-Transfer-Encoding: chunked\r\n",
        "Range: bytes=0-\r\n",
    ];
}
