namespace Scripted;

/// <summary>
/// What an upstream does wrong for the requests that match. The first rule that matches and is not used up applies, and no other. One rule
/// may change several things.
/// </summary>
public sealed class Rule
{
    private int _left = int.MaxValue;

    internal Rule(Func<ReceivedRequest, bool> matches) => Matches = matches;

    internal Func<ReceivedRequest, bool> Matches { get; }

    internal long? CutAfter { get; private set; }

    internal bool ByReset { get; private set; }

    internal bool IsDropped { get; private set; }

    internal long? HangsAfter { get; private set; }

    internal (long After, Task Gate)? Pause { get; private set; }

    internal bool HangsBeforeHeaders { get; private set; }

    internal Task? Gate { get; private set; }

    internal int? BytesPerSecond { get; private set; }

    internal long? FlipsAt { get; private set; }

    internal long? ClaimedLength { get; private set; }

    internal Dictionary<string, string?> ChangedHeaders { get; } = new(StringComparer.OrdinalIgnoreCase);

    internal (Func<byte[], byte[]> Code, string Label)? Coding { get; private set; }

    internal bool IsChunked { get; private set; }

    internal bool IgnoresRanges { get; private set; }

    internal bool RefusesOpenRanges { get; private set; }

    internal bool RefusesHead { get; private set; }

    internal long? TakesOnly { get; private set; }

    internal bool StallsThen { get; private set; }

    internal bool LosesAnswer { get; private set; }

    internal (int Status, string Body, string Type)? Answer { get; private set; }

    /// <summary>Applies to the next matching request only.</summary>
    public Rule Once() => Times(1);

    /// <summary>Applies to this number of matching requests.</summary>
    public Rule Times(int count)
    {
        _left = count;
        return this;
    }

    /// <summary>Closes the connection (FIN) after this number of bytes of the body.</summary>
    public Rule Cut(long after) => Set(() => CutAfter = after);

    /// <summary>Resets the connection (RST) after this number of bytes of the body; the client may lose the last of them.</summary>
    public Rule Reset(long after) => Set(() => (CutAfter, ByReset) = (after, true));

    /// <summary>Resets the connection instead of answering.</summary>
    public Rule Drop() => Set(() => IsDropped = true);

    /// <summary>
    /// Sends this number of bytes of the body and then nothing more, until the client closes the connection or the upstream is disposed.
    /// </summary>
    public Rule Hang(long after) => Set(() => HangsAfter = after);

    /// <summary>Sends this number of bytes of the body, and the remaining ones once a test opens the gate.</summary>
    public Rule PauseFor(Task gate, long after) => Set(() => Pause = (after, gate));

    /// <summary>Reads this number of bytes of a pushed body, stores them, and resets the connection.</summary>
    public Rule CutPush(long after) => Set(() => TakesOnly = after);

    /// <summary>Reads this number of bytes of a pushed body and then no more, until the client closes the connection.</summary>
    public Rule StallPush(long after) => Set(() => (TakesOnly, StallsThen) = (after, true));

    /// <summary>Carries out the request, and resets the connection instead of answering.</summary>
    public Rule LoseAnswer() => Set(() => LosesAnswer = true);

    /// <summary>Sends nothing, not even headers.</summary>
    public Rule HangBeforeHeaders() => Set(() => HangsBeforeHeaders = true);

    /// <summary>Sends nothing until a test opens the gate.</summary>
    public Rule WaitFor(Task gate) => Set(() => Gate = gate);

    /// <summary>Sends the body at no more than this rate.</summary>
    public Rule Throttle(int bytesPerSecond) => Set(() => BytesPerSecond = bytesPerSecond);

    /// <summary>Inverts one byte of the content at this offset of the whole content (not of a range).</summary>
    public Rule Flip(long at) => Set(() => FlipsAt = at);

    /// <summary>
    /// Sends another Content-Length. With a larger one the connection ends early; with a smaller one only that many bytes are sent.
    /// </summary>
    public Rule ClaimLength(long length) => Set(() => ClaimedLength = length);

    public Rule ClaimDigest(string digest) => Header("Docker-Content-Digest", digest);

    public Rule ClaimType(string mediaType) => Header("Content-Type", mediaType);

    public Rule NoDigest() => Header("Docker-Content-Digest", null);

    /// <summary>Adds, replaces or (null) removes a header.</summary>
    public Rule Header(string name, string? value) => Set(() => ChangedHeaders[name] = value);

    /// <summary>Compresses the body and sends the Content-Encoding.</summary>
    public Rule Gzip() => Code(BodySender.Compress, "gzip");

    /// <summary>Changes the body, and sends this Content-Encoding.</summary>
    public Rule Code(Func<byte[], byte[]> code, string label) => Set(() => Coding = (code, label));

    /// <summary>Sends no Content-Length.</summary>
    public Rule Chunked() => Set(() => IsChunked = true);

    /// <summary>Answers 200 with the whole content, whatever range was requested.</summary>
    public Rule NoRanges() => Set(() => IgnoresRanges = true);

    /// <summary>Answers 416 to <c>bytes=n-</c>.</summary>
    public Rule NoOpenRanges() => Set(() => RefusesOpenRanges = true);

    public Rule Respond(int status, string body = "", string type = "application/json") => Set(() => Answer = (status, body, type));

    public Rule Redirect(Uri to, int status = 307) => Respond(status).Header("Location", to.OriginalString);

    /// <summary>Answers 401 with these challenges, one header each.</summary>
    public Rule Challenge(params string[] challenges) => Respond(401).Header("WWW-Authenticate", string.Join('\n', challenges));

    /// <summary>Answers 429 as Docker Hub does.</summary>
    public Rule RateLimit(string? retryAfter = null) => Respond(429, """{"errors":[{"code":"TOOMANYREQUESTS"}]}""")
        .Header("Retry-After", retryAfter).Header("ratelimit-limit", "100;w=21600").Header("ratelimit-remaining", "0;w=21600");

    /// <summary>Answers 405 to a HEAD; other methods are answered as usual.</summary>
    public Rule RefuseHead() => Set(() => RefusesHead = true);

    internal bool TryUse(ReceivedRequest request)
    {
        if (!Matches(request)) return false;
        if (Volatile.Read(ref _left) == int.MaxValue) return true;
        return Interlocked.Decrement(ref _left) >= 0;
    }

    private Rule Set(Action change)
    {
        change();
        return this;
    }
}
