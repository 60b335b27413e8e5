using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Gateway.Oci;
using Gateway.Operations;
using Gateway.Policy;
using Xunit;

namespace Gateway.Tests.Operations;

public sealed class AccessLogTests
{
    [Fact]
    public async Task Each_request_is_one_line_without_query_or_credentials()
    {
        await using var rig = await GatewayRig.StartAsync();
        var credentials = ("Authorization", "Basic aHVudGVyMjpodW50ZXIy");
        (await rig.SendAsync("GET", "/v2/team/app/manifests/v1?ns=unknown.example&secret=hunter2", null, credentials)).Dispose();
        (await rig.SendAsync("GET", "/v2/team/app/manifests/v1%1b[2J")).Dispose();
        await rig.StopAsync();

        var text = Encoding.UTF8.GetString(rig.AccessLog.ToArray());
        var lines = text.TrimEnd('\n').Split('\n').Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        Assert.Equal(2, lines.Length);
        Assert.Equal(("manifest", "team/app", "v1"), (Text(lines[0], "route"), Text(lines[0], "repository"), Text(lines[0], "reference")));
        Assert.Equal(("invalid", "NAME_INVALID"), (Text(lines[1], "route"), Text(lines[1], "errorCode")));
        Assert.DoesNotContain("hunter2", text, StringComparison.Ordinal);
        Assert.DoesNotContain("aHVudGVy", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refusal_is_logged_with_its_decision_and_reason_code()
    {
        await using var rig = await GatewayRig.StartAsync(options => options with { Policy = new() { Default = Outcome.Deny } });
        const string Empty = """{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}""";
        using var index = new StringContent(Empty, new MediaTypeHeaderValue(MediaTypes.OciIndex));
        (await rig.SendAsync("PUT", "/v2/team/app/manifests/v1", index)).Dispose();
        await rig.StopAsync();

        var line = JsonDocument.Parse(rig.AccessLog.ToArray()).RootElement;
        Assert.StartsWith("d-", Text(line, "decision"), StringComparison.Ordinal);
        Assert.Equal("NO_RULE_DEFAULT", Text(line, "reason"));
    }

    [Fact]
    public async Task Log_reader_that_reads_nothing_delays_no_request()
    {
        var output = new StuckStream();
        await using var log = new AccessLog(output);

        // More than may wait: if any of these waited, the test would never end.
        for (var i = 0; i < 20_000; i++) log.Write(new(DateTimeOffset.UnixEpoch, "GET"));
        output.Release();
    }

    [Fact]
    public async Task Unwritable_log_does_not_end_requests()
    {
        await using var log = new AccessLog(new BrokenStream());

        log.Write(new(DateTimeOffset.UnixEpoch, "GET"));
    }

    private static string? Text(JsonElement line, string name) => line.GetProperty(name).GetString();

    private sealed class StuckStream : MemoryStream
    {
        private readonly TaskCompletionSource _released = new();

        public void Release() => _released.SetResult();

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            new(_released.Task);
    }

    private sealed class BrokenStream : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new IOException("Broken pipe");
    }
}
