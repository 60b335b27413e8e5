using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>The clock for decisions when the system's clock is set back.</summary>
public sealed class SteadyClockTests : IDisposable
{
    private readonly Folders _folders = Folders.Make(Directory.CreateTempSubdirectory("gateway-clock-").FullName, NullLogger.Instance);
    private readonly SetClock _system = new();
    private readonly LogText _log = new();

    public void Dispose()
    {
        _folders.Durability.Dispose();
        Directory.Delete(_folders.Path, recursive: true);
    }

    private SteadyClock Open() => new(_system, _folders, _log);

    [Fact]
    public async Task Clock_follows_the_system_clock_while_it_moves_forward()
    {
        await using var clock = Open();
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(_system.Now, clock.GetUtcNow());
            Assert.Equal(TimeSpan.Zero, clock.Behind);
            _system.Set(TimeSpan.FromDays(1));
        }
        Assert.Empty(_log.Text);
    }

    [Fact]
    public async Task Clock_stands_still_after_the_system_clock_is_set_back_until_it_catches_up()
    {
        await using var clock = Open();
        var latest = clock.GetUtcNow();
        _system.Set(TimeSpan.FromDays(-2));
        Assert.Equal(latest, clock.GetUtcNow());
        Assert.Equal(TimeSpan.FromDays(2), clock.Behind);
        _system.Set(TimeSpan.FromDays(1));
        Assert.Equal(latest, clock.GetUtcNow());
        _system.Set(TimeSpan.FromDays(1.5));
        Assert.Equal(_system.Now, clock.GetUtcNow());
        Assert.Equal(TimeSpan.Zero, clock.Behind);
    }

    [Fact]
    public async Task Restart_keeps_the_latest_moment_and_logs_that_the_clock_is_behind_with_a_remedy()
    {
        _system.Set(TimeSpan.FromDays(3));
        await using (Open())
        {
        }
        var latest = _system.Now;
        _system.Set(TimeSpan.FromDays(-3));
        await using (var clock = Open())
        {
            Assert.Equal(latest, clock.GetUtcNow());
        }
        Assert.Contains($"remove {_folders.LatestMomentFile} and start the gateway again", _log.Text, StringComparison.Ordinal);
        File.Delete(_folders.LatestMomentFile);
        await using var reopened = Open();
        Assert.Equal(_system.Now, reopened.GetUtcNow());
    }

    [Theory]
    [InlineData("")]
    [InlineData("soon")]
    [InlineData("99999999999999999999")]
    public async Task Unreadable_moment_file_is_ignored(string note)
    {
        await File.WriteAllTextAsync(_folders.LatestMomentFile, note, TestContext.Current.CancellationToken);
        await using var clock = Open();
        Assert.Equal(_system.Now, clock.GetUtcNow());
    }

    /// <summary>A clock that stands still until the test sets it.</summary>
    private sealed class SetClock : TimeProvider
    {
        public DateTimeOffset Now { get; private set; } = new(2026, 11, 22, 10, 0, 0, TimeSpan.Zero);

        public void Set(TimeSpan by) => Now += by;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
