using Gateway.Configuration;
using Gateway.Operations;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Operations;

public sealed class PullCountsTests : IDisposable
{
    private readonly PullCountsRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void Pulls_of_a_tag_are_those_by_its_name_and_those_by_its_digest()
    {
        var counts = _rig.Start();
        counts.Note(RequestPulseTests.Record("team/app", "v1"), "team/app");
        counts.Note(RequestPulseTests.Record("team/app", "sha256:one"), "team/app");
        counts.Note(RequestPulseTests.Record("team/app", "sha256:other"), "team/app");
        counts.Note(RequestPulseTests.Record("other/app", "v1"), "other/app");
        counts.Note(RequestPulseTests.Record("team/app", "v1", method: "HEAD"), "team/app");
        counts.Note(RequestPulseTests.Record("team/app", "v1", status: 404), "team/app");

        var view = counts.Of("team/app", "v1", "sha256:one");

        Assert.Equal(2, view.Count);
        Assert.NotNull(view.Last);
        Assert.Equal(["other/app", "team/app"], counts.LastByRepository().Keys.Order());
        Assert.Equal((0, null), (counts.Of("team/app", "v2", "sha256:two").Count, counts.Of("team/app", "v2", "sha256:two").Last));
    }

    [Fact]
    public async Task Counts_survive_a_restart_and_go_on()
    {
        var first = await _rig.RunAsync();
        first.Note("team/app", "v1");
        await first.StopAsync(default);

        var second = await _rig.RunAsync();
        second.Note("team/app", "v1");

        await Patience.UntilAsync(
            () => Task.FromResult(second.Of("team/app", "v1", "sha256:one").Count == 2), () => "the counts of the file");
        await second.StopAsync(default);
    }

    [Fact]
    public async Task Number_of_counters_is_bounded_and_the_ones_that_were_not_used_for_longest_go()
    {
        var counts = await _rig.RunAsync();
        for (var i = 0; i < PullCounts.Most + 10; i++)
        {
            _rig.Clock.Advance(TimeSpan.FromMilliseconds(1));
            counts.Note("team/app", $"v{i}");
        }
        Assert.Equal(0, counts.Of("team/app", $"v{PullCounts.Most + 5}", "").Count);

        await counts.StopAsync(default);

        Assert.InRange(new FileInfo(_rig.File).Length, 1, 2 << 20);
        Assert.Equal(PullCounts.Most * 8 / 10, (await System.IO.File.ReadAllLinesAsync(_rig.File)).Length);
        Assert.Equal((0, 1), (counts.Of("team/app", "v0", "").Count, counts.Of("team/app", $"v{PullCounts.Most - 1}", "").Count));
    }

    [Theory]
    [InlineData("")]
    [InlineData("garbage\n\t\t\t\nteam/app\tv1\t-1\tx\n")]
    public async Task Damaged_file_counts_for_nothing(string text)
    {
        await System.IO.File.WriteAllTextAsync(_rig.File, text);
        var counts = await _rig.RunAsync();
        counts.Note("team/app", "v1");

        Assert.Equal(1, counts.Of("team/app", "v1", "").Count);
        await counts.StopAsync(default);
    }
}

/// <summary>Counts of pulls in a folder of their own.</summary>
internal sealed class PullCountsRig : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-pulls-").FullName;

    public PullCountsRig() => Directory.CreateDirectory(Path.Combine(_folder, "gateway"));

    public Gateway.Tests.PullThrough.FastClock Clock { get; } = new();

    public string File => Path.Combine(_folder, "gateway", "pulls.tsv");

    public PullCounts Start() => new(new GatewayOptions { Storage = new() { Path = _folder } }, Clock, NullLogger<PullCounts>.Instance);

    public async Task<PullCounts> RunAsync()
    {
        var counts = Start();
        await counts.StartAsync(default);
        return counts;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
