using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>What decisions go by when the system's clock is set back.</summary>
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
    public async Task It_is_the_systems_while_that_goes_on()
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
    public async Task It_stands_still_when_the_system_is_set_back_until_that_has_caught_up()
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
    public async Task A_restart_does_not_forget_the_latest_moment_and_says_that_the_clock_is_behind_it_and_what_to_do()
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
        Assert.Contains($"remove {_folders.LatestMomentFile} and start again", _log.Text, StringComparison.Ordinal);
        File.Delete(_folders.LatestMomentFile);
        await using var anew = Open();
        Assert.Equal(_system.Now, anew.GetUtcNow());
    }

    [Theory]
    [InlineData("")]
    [InlineData("soon")]
    [InlineData("99999999999999999999")]
    public async Task A_note_that_says_no_moment_is_none(string note)
    {
        await File.WriteAllTextAsync(_folders.LatestMomentFile, note, TestContext.Current.CancellationToken);
        await using var clock = Open();
        Assert.Equal(_system.Now, clock.GetUtcNow());
    }

    /// <summary>Stands still but for who sets it.</summary>
    private sealed class SetClock : TimeProvider
    {
        public DateTimeOffset Now { get; private set; } = new(2026, 11, 22, 10, 0, 0, TimeSpan.Zero);

        public void Set(TimeSpan by) => Now += by;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
