using System.Buffers;
using System.Net;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Gateway.Operations;
using Gateway.Registry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Registry.Hostile;

/// <summary>Text of strangers that would be more than text where it is shown: line ends, escapes, marks that turn its direction.</summary>
public sealed class InjectionTests
{
    private static readonly string[] Texts =
    [
        "a\r\n{\"time\":\"forged\"}", "\u001b[2J\u001b]0;owned\u0007", "a\u2028b\u2029c\u0085d", "\u202egnp.exe\u2066x",
        "\u009b31m", "\0\b\u007f",
        "\ud800 alone", $"{new string('a', 255)}\ud83d\ude00", "\"},{\"x\":\"",
    ];

    public static TheoryData<string> Hostile => [.. Texts];

    [Theory]
    [MemberData(nameof(Hostile))]
    public void Access_log_lines_are_printable_ASCII(string text)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

        AccessLog.Format(json, buffer, new(DateTimeOffset.UnixEpoch, text)
        {
            UserAgent = text, Actor = text, Repository = text, Reference = text, Namespace = text, ErrorCode = text, Upstream = text,
            RequestId = text, TraceId = text, Remote = text, Decision = text, Cache = text,
        });

        var line = Encoding.UTF8.GetString(buffer.WrittenSpan);
        AssertPlain(line.TrimEnd('\n'));
        Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(line).RootElement.ValueKind);
    }

    [Theory]
    [MemberData(nameof(Hostile))]
    public void Log_lines_are_printable_ASCII(string text)
    {
        var writer = new StringWriter();

        new OneLineFormatter().Write(
            new LogEntry<string>(LogLevel.Warning, "Gateway", 1, text, new InvalidOperationException(text), (state, _) => state), null,
            writer);

        AssertPlain(writer.ToString().TrimEnd('\n'));
    }

    [Theory]
    [MemberData(nameof(Hostile))]
    public void Errors_and_warnings_are_printable_ASCII(string text)
    {
        IHeaderDictionary headers = new HeaderDictionary();
        Warnings.Add(headers, text);

        AssertPlain(Encoding.UTF8.GetString(new RegistryError(Gateway.Repositories.RegistryErrorCode.DENIED, text, text).ToJson()));
        AssertPlain(headers.Warning.ToString());
        Assert.Equal(2, headers.Warning.ToString().Count(c => c == '"'));
    }

    [Fact]
    public async Task Request_with_escape_sequences_everywhere_leaves_plain_logs()
    {
        await using var rig = await GatewayRig.StartAsync();
        using var line = new RawLine(rig.Url);
        var spelt = Encoding.Latin1.GetString(Encoding.UTF8.GetBytes("\u202egnp.exe\u2028x\ud83d\ude00"));

        var (status, _) = await line.SendAsync("GET", "/v2/a/tags/list?ns=x%0d%0aX-Injected:%20y", $"User-Agent: {spelt}\r\n");
        var (other, body) = await line.SendAsync("GET-x", "/v2/a%0d%0aSet-Cookie:%20a=b/tags/list", "");
        var (found, _) = await line.SendAsync("GET", "/v2/a/tags/list", $"User-Agent: {spelt}\r\n");
        await rig.StopAsync();

        Assert.Equal((400, 400, 404), (status, other, found));
        AssertPlain(body);
        var log = Encoding.UTF8.GetString(rig.AccessLog.ToArray());
        Assert.Equal(3, log.Count(c => c == '\n'));
        Assert.All(log.TrimEnd('\n').Split('\n'), AssertPlain);
    }

    // A challenge quotes the host that the client named.
    [Theory]
    [InlineData("h\",error=\"x")]
    [InlineData("h\\")]
    [InlineData("h e")]
    public async Task Host_with_a_quote_is_ignored(string host)
    {
        await using var rig = await GatewayRig.StartAsync(options => options with { Access = new() });
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, rig.Url.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET /v2/ HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        using var reader = new StreamReader(client.GetStream());

        Assert.Equal("HTTP/1.1 400 Bad Request", await reader.ReadLineAsync());
    }

    private static void AssertPlain(string text) => Assert.DoesNotContain(text, c => c is < ' ' or > '~');
}
