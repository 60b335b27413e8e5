using System.Text.Json;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Tests.Access;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Operations;

/// <summary>The file of the audit log: its lines, its size, and what is left out of it.</summary>
public sealed class AuditLogTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-audit-").FullName;

    private AuditOptions Options => new() { Path = Path.Combine(_folder, "audit.log") };

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Full_file_is_renamed_and_the_oldest_removed()
    {
        var options = Options with { MaxSize = 2000, Keep = 2 };
        using (var log = new AuditLog(options, TimeProvider.System, NullLogger.Instance))
        {
            for (var i = 0; i < 100; i++)
                log.Tell(new(DateTimeOffset.UnixEpoch, "push", "done") { Reference = $"v{i}", Digest = new('a', 100) });
        }

        Assert.Equal(["audit.log", "audit.log.1", "audit.log.2"], Directory.GetFiles(_folder, "audit*").Select(Path.GetFileName).Order());
        foreach (var file in Directory.GetFiles(_folder, "audit*"))
        {
            Assert.InRange(new FileInfo(file).Length, 1, 2000);
            Assert.All(File.ReadLines(file), line => JsonDocument.Parse(line).Dispose());
        }
        Assert.Contains("\"stop\"", File.ReadAllText(options.Path), StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(options.Path));
    }

    [Fact]
    public void Lines_are_appended_and_a_line_cut_by_a_crash_stays_separate()
    {
        File.WriteAllText(Options.Path, "{\"event\":\"start\"}\n{\"event\":\"pu");
        new AuditLog(Options, TimeProvider.System, NullLogger.Instance).Dispose();

        var lines = File.ReadAllLines(Options.Path);
        Assert.Equal((4, "{\"event\":\"pu"), (lines.Length, lines[1]));
    }

    [Fact]
    public void Text_never_splits_a_line_or_makes_it_too_long()
    {
        using (var log = new AuditLog(Options, TimeProvider.System, NullLogger.Instance))
        {
            log.Tell(new(DateTimeOffset.UnixEpoch, "admin", "done")
            {
                Actor = "a\n{\"event\":\"push\"}\r\u2028\u001b[2J\ud800\"", Detail = new('x', 1 << 20),
            });
        }

        var lines = File.ReadAllLines(Options.Path);
        Assert.Equal(3, lines.Length);
        Assert.InRange(lines[1].Length, 1, 2000);
        Assert.True(lines[1].All(c => c is >= ' ' and <= '~'));
        using var parsed = JsonDocument.Parse(lines[1]);
        Assert.Equal("admin", parsed.RootElement.GetProperty("event").GetString());
    }

    // Whoever guesses passwords from a thousand addresses displaces no push.
    [Fact]
    public void Flood_of_refusals_is_counted_instead_of_written()
    {
        var clock = new ManualClock();
        using (var log = new AuditLog(Options, clock, NullLogger.Instance))
        {
            for (var i = 0; i < 100_000; i++)
                log.Tell(new(clock.GetUtcNow(), "login", "refused") { Remote = $"10.{i >> 16}.{(i >> 8) & 255}.{i & 255}" });
            log.Tell(new(clock.GetUtcNow(), "push", "done"));
            clock.Advance(TimeSpan.FromMinutes(6));
            log.Tell(new(clock.GetUtcNow(), "login", "refused") { Remote = "192.0.2.1" });
        }

        var lines = File.ReadAllLines(Options.Path);
        Assert.Equal(2000 + 4, lines.Length);
        Assert.Contains(lines, line => line.Contains("\"event\":\"push\"") && line.Contains("\"omitted\":98000"));
        Assert.Contains("192.0.2.1", lines[^2], StringComparison.Ordinal);
    }

    /// <summary>One host has a whole /64 (RFC 4291, 2.5.4): its addresses could push every other line out of the files.</summary>
    [Fact]
    public void Logins_of_one_IPv6_network_are_one_line()
    {
        using (var log = new AuditLog(Options, TimeProvider.System, NullLogger.Instance))
        {
            for (var i = 1; i <= 3000; i++)
            {
                log.Tell(new(DateTimeOffset.UnixEpoch, "login", "done") { Actor = "ci", Remote = $"2001:db8::{i:x}" });
                log.Tell(new(DateTimeOffset.UnixEpoch, "login", "refused") { Remote = $"2001:db8::{i:x}" });
            }
            foreach (var other in (string[])["2001:db8:0:1::1", "192.0.2.1", "192.0.2.2"])
                log.Tell(new(DateTimeOffset.UnixEpoch, "login", "refused") { Remote = other });
        }

        var logins = File.ReadLines(Options.Path).Select(static line => JsonDocument.Parse(line).RootElement)
            .Where(static line => line.GetProperty("event").GetString() == "login");
        string[] expected = ["2001:db8::1", "2001:db8::1", "2001:db8:0:1::1", "192.0.2.1", "192.0.2.2"];
        Assert.Equal(expected, logins.Select(static line => line.GetProperty("remote").GetString()!));
    }

    [Fact]
    public void Line_of_a_later_change_waits_for_earlier_ones()
    {
        using var log = new AuditLog(Options, TimeProvider.System, NullLogger.Instance);
        var (first, second, refused, third) = (Push("v1"), Push("v2"), Push("v3"), Push("v4"));
        log.Expect(first, 1);
        log.Expect(second, 2);
        log.Expect(third, 3);
        // A request that makes two changes is told of by the last.
        log.Expect(first, 4);

        var waiting = log.WriteAsync(third);
        Assert.False(waiting.IsCompleted);
        // What changes nothing waits for nobody.
        Assert.True(log.WriteAsync(refused).IsCompleted);
        Assert.True(log.WriteAsync(second).IsCompleted);
        Assert.True(waiting.IsCompleted);
        Assert.True(log.WriteAsync(first).IsCompleted);

        var lines = File.ReadLines(Options.Path).Skip(1).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        Assert.Equal(["v3", "v2", "v4", "v1"], lines.Select(line => line.GetProperty("reference").GetString()));
        Assert.Equal([2, 3, 4], lines.Skip(1).Select(line => line.GetProperty("sequence").GetInt64()));
        Assert.False(lines[0].TryGetProperty("sequence", out _));
    }

    private static RequestRecord Push(string tag) =>
        new(DateTimeOffset.UnixEpoch, "PUT") { Route = "manifest", Reference = tag, Status = 201 };

    [Fact]
    public void Audit_log_that_cannot_be_opened_prevents_the_start()
    {
        var options = Options with { Path = Path.Combine(_folder, "nowhere", "audit.log") };

        Assert.Throws<IOException>(() => new AuditLog(options, TimeProvider.System, NullLogger.Instance));
    }
}
