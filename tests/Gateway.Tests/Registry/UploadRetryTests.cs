using System.Net.Sockets;
using System.Text;
using Gateway.Configuration;
using Gateway.Oci;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>Uploads whose client sends something twice: nothing is appended twice, and it is told where to go on.</summary>
public sealed class UploadRetryTests : IAsyncLifetime
{
    private static readonly byte[] Blob = Encoding.ASCII.GetBytes("0123456789");

    /// <summary>Bytes of an upload are written in steps of this size.</summary>
    private const int Step = 256 * 1024;

    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Theory]
    [InlineData("PATCH", "")]
    [InlineData("PUT", "?digest=")]
    public async Task Chunk_sent_twice_returns_416_with_the_current_location(string method, string query)
    {
        var first = await OpenAsync();
        using var sent = await _rig.SendAsync("PATCH", first, new ByteArrayContent(Blob[..4]));
        var next = Location(sent);

        using var again = await _rig.SendAsync(
            method, query.Length == 0 ? first : $"{first}{query}{Digest.Of(Blob.AsSpan(..4))}", new ByteArrayContent(Blob[..4]));

        Assert.Equal((416, "0-3", next), ((int)again.StatusCode, GatewayRig.Header(again, "Range"), Location(again)));
        using var rest = await _rig.SendAsync("PUT", $"{Location(again)}?digest={Digest.Of(Blob)}", new ByteArrayContent(Blob[4..]));
        Assert.Equal(201, (int)rest.StatusCode);
        Assert.Equal(Blob, await _rig.Client.GetByteArrayAsync(new Uri(_rig.Url, $"/v2/a/blobs/{Digest.Of(Blob)}")));
    }

    [Fact]
    public async Task Body_sent_again_after_a_wrong_digest_returns_416_and_an_empty_one_ends_the_session()
    {
        var session = await OpenAsync();
        using var wrong = await _rig.SendAsync("PUT", $"{session}?digest={Digest.Of("other"u8)}", new ByteArrayContent(Blob));
        using var again = await _rig.SendAsync("PUT", $"{session}?digest={Digest.Of(Blob)}", new ByteArrayContent(Blob));
        using var right = await _rig.SendAsync("PUT", $"{session}?digest={Digest.Of(Blob)}");
        Assert.Equal((400, 416, 201), ((int)wrong.StatusCode, (int)again.StatusCode, (int)right.StatusCode));
    }

    [Fact]
    public async Task Range_or_bare_session_states_its_own_offset()
    {
        var session = await OpenAsync();
        using var one = await _rig.SendAsync("PATCH", session, new ByteArrayContent(Blob[..4]));
        using var two = await _rig.SendAsync("PATCH", session, new ByteArrayContent(Blob[4..6]), ("Content-Range", "4-5"));
        var bare = session[..session.LastIndexOf('-')];
        using var three = await _rig.SendAsync("PATCH", bare, new ByteArrayContent(Blob[6..]));
        using var end = await _rig.SendAsync("PUT", $"{bare}?digest={Digest.Of(Blob)}");
        Assert.Equal([202, 202, 202, 201], new[] { one, two, three, end }.Select(answer => (int)answer.StatusCode));
    }

    [Theory]
    [InlineData("-")]
    [InlineData("-x")]
    [InlineData("-01")]
    [InlineData("--1")]
    [InlineData("-99999999999999999999")]
    [InlineData("-0-0")]
    public async Task Location_in_another_form_is_not_a_session(string end)
    {
        var session = await OpenAsync();
        using var answer = await _rig.SendAsync("PATCH", session[..session.LastIndexOf('-')] + end, new ByteArrayContent(Blob));
        Assert.Equal(404, (int)answer.StatusCode);
    }

    [Theory]
    [InlineData("PATCH")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    public async Task Retry_takes_over_the_session_of_a_silent_connection(string method)
    {
        var session = await OpenAsync();
        using var silent = await SendPartAsync(session, new byte[300_000]);
        session = await ReceivedAsync(session, Step);

        var digest = Digest.Of([.. new byte[Step], .. Blob]);
        using var retry = await _rig.SendAsync(
            method, method == "PUT" ? $"{session}?digest={digest}" : session, method == "DELETE" ? null : new ByteArrayContent(Blob));

        Assert.Equal(method switch { "PATCH" => 202, "PUT" => 201, _ => 204 }, (int)retry.StatusCode);
        Assert.StartsWith("HTTP/1.1 400 ", await ReadAsync(silent), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_of_a_session_is_returned_during_an_upload()
    {
        var session = await OpenAsync();
        using var slow = await SendPartAsync(session, new byte[300_000]);
        await ReceivedAsync(session, Step);

        await slow.GetStream().WriteAsync(new byte[100_000]);
        Assert.StartsWith("HTTP/1.1 202 ", await ReadAsync(slow), StringComparison.Ordinal);
        Assert.Equal((204, "0-399999"), await StatusAsync(session));
    }

    [Fact]
    public async Task Last_of_many_connections_gets_the_session()
    {
        var session = await OpenAsync();
        var silent = new List<TcpClient>();
        for (var i = 1; i <= 5; i++)
        {
            silent.Add(await SendPartAsync(session, new byte[300_000]));
            session = await ReceivedAsync(session, i * Step);
        }
        using var last = await _rig.SendAsync("PUT", $"{session}?digest={Digest.Of(new byte[5 * Step])}");
        Assert.Equal(201, (int)last.StatusCode);
        foreach (var client in silent)
        {
            Assert.StartsWith("HTTP/1.1 400 ", await ReadAsync(client), StringComparison.Ordinal);
            client.Dispose();
        }
    }

    [Fact]
    public async Task Silent_sender_gets_408_and_continues_from_the_received_bytes()
    {
        await using var rig = await GatewayRig.StartAsync(o => o with { Limits = new() { UploadPause = TimeSpan.FromMilliseconds(300) } });
        using var opened = await rig.SendAsync("POST", "/v2/a/blobs/uploads/");
        using var silent = await SendPartAsync(rig.Url, Location(opened), []);
        var answer = await ReadAsync(silent);
        Assert.StartsWith("HTTP/1.1 408 ", answer, StringComparison.Ordinal);
        Assert.Contains("limits.uploadPause", answer, StringComparison.Ordinal);
        using var end = await rig.SendAsync("PUT", $"{Location(opened)}?digest={Digest.Of(Blob)}", new ByteArrayContent(Blob));
        Assert.Equal(201, (int)end.StatusCode);
    }

    [Theory]
    [InlineData("UPPER/case")]
    [InlineData("a//b")]
    [InlineData("")]
    public async Task Mount_from_an_invalid_name_opens_an_upload(string from)
    {
        var digest = await _rig.PushBlobAsync("a", Blob);
        using var answer = await _rig.SendAsync("POST", $"/v2/b/blobs/uploads/?mount={digest}&from={Uri.EscapeDataString(from)}");
        Assert.Equal(202, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Caller_with_too_many_uploads_gets_429_with_Retry_After()
    {
        await using var rig = await GatewayRig.StartAsync(o => o with { Limits = new() { Uploads = 1 } });
        using var first = await rig.SendAsync("POST", "/v2/a/blobs/uploads/");
        using var second = await rig.SendAsync("POST", "/v2/a/blobs/uploads/");
        Assert.Equal((202, 429, true), ((int)first.StatusCode, (int)second.StatusCode, second.Headers.RetryAfter is not null));
    }

    private async Task<string> OpenAsync()
    {
        using var opened = await _rig.SendAsync("POST", "/v2/a/blobs/uploads/");
        return Location(opened);
    }

    private static string Location(HttpResponseMessage answer) => answer.Headers.Location!.ToString();

    private async Task<(int Status, string? Range)> StatusAsync(string session)
    {
        using var answer = await _rig.SendAsync("GET", session);
        return ((int)answer.StatusCode, GatewayRig.Header(answer, "Range"));
    }

    private Task<TcpClient> SendPartAsync(string session, byte[] bytes) => SendPartAsync(_rig.Url, session, bytes);

    // A PATCH of 400,000 bytes of which so many are sent.
    private static async Task<TcpClient> SendPartAsync(Uri server, string session, byte[] bytes)
    {
        var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(server.Host, server.Port);
        var head = $"PATCH {session} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 400000\r\n\r\n";
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(head));
        await client.GetStream().WriteAsync(bytes);
        return client;
    }

    // Where the session goes on when it has so many bytes.
    private async Task<string> ReceivedAsync(string session, int length)
    {
        for (var end = Environment.TickCount64 + 30_000; ; await Task.Delay(10))
        {
            using var answer = await _rig.SendAsync("GET", session);
            if (GatewayRig.Header(answer, "Range") == $"0-{length - 1}") return Location(answer);
            Assert.True(Environment.TickCount64 < end, $"expected {length} bytes, got {GatewayRig.Header(answer, "Range")}");
        }
    }

    // One answer: the server waits some seconds for the rest of a body that it has answered, and then breaks the connection.
    private static async Task<string> ReadAsync(TcpClient client)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var (answer, buffer) = ("", new byte[4096]);
        while (!answer.EndsWith("]}", StringComparison.Ordinal) && !IsBare(answer))
        {
            var count = await client.GetStream().ReadAsync(buffer, deadline.Token);
            if (count == 0) return answer;
            answer += Encoding.ASCII.GetString(buffer, 0, count);
        }
        return answer;

        static bool IsBare(string text) =>
            text.Contains("Content-Length: 0\r\n", StringComparison.Ordinal) && text.EndsWith("\r\n\r\n", StringComparison.Ordinal);
    }
}
