using Gateway.Repositories;
using Gateway.Tests.Access;
using Xunit;

namespace Gateway.Tests.Repositories;

public sealed class UnpackingTurnsTests
{
    private readonly ManualClock _clock = new();

    private readonly UnpackingTurns _turns;

    public UnpackingTurnsTests() => _turns = new(3, _clock);

    [Fact]
    public async Task One_account_leaves_a_slot_to_others_however_many_of_its_blobs_wait()
    {
        var greedy = Enumerable.Range(0, 6).Select(_ => _turns.EnterAsync("greedy")).ToArray();
        Assert.Equal([true, true, false, false, false, false], greedy.Select(t => t.IsCompleted));

        var honest = _turns.EnterAsync("honest");
        Assert.True(honest.IsCompleted);
        _turns.Leave("honest");
        Assert.False(greedy[2].IsCompleted);
        _turns.Leave("greedy");
        Assert.True(greedy[2].IsCompleted);
        await greedy[2];
    }

    [Fact]
    public void Waiting_accounts_take_turns()
    {
        _ = (_turns.EnterAsync("a"), _turns.EnterAsync("a"), _turns.EnterAsync("b"));
        var a = Enumerable.Range(0, 3).Select(_ => _turns.EnterAsync("a")).ToArray();
        var (b, c) = (_turns.EnterAsync("b"), _turns.EnterAsync("c"));
        _turns.Leave("a");
        _turns.Leave("a");
        _turns.Leave("b");
        Assert.Equal([true, false, false], a.Select(t => t.IsCompleted));
        Assert.Equal((true, true), (b.IsCompleted, c.IsCompleted));
    }

    [Fact]
    public async Task Account_beyond_its_hourly_limit_is_refused_and_recovers_within_the_hour()
    {
        await _turns.EnterAsync("bomber");
        const int Step = 1 << 30;
        for (long used = 0; used < UnpackingTurns.MaxPerHour; used += Step) _turns.Charge("bomber", Step);
        var refused = Assert.Throws<UnpackingRefusedException>(() => _turns.Charge("bomber", 1));
        Assert.Contains("unpacked for bomber", refused.Message, StringComparison.Ordinal);
        _turns.Leave("bomber");
        await Assert.ThrowsAsync<UnpackingRefusedException>(() => _turns.EnterAsync("bomber"));
        await _turns.EnterAsync("honest");

        _clock.Advance(TimeSpan.FromMinutes(30));
        await _turns.EnterAsync("bomber");
    }

    [Fact]
    public async Task Waiting_blobs_beyond_the_limit_of_an_account_are_refused()
    {
        for (var i = 0; i < UnpackingTurns.MaxWaiting + 2; i++) _ = _turns.EnterAsync("greedy");
        await Assert.ThrowsAsync<UnpackingRefusedException>(() => _turns.EnterAsync("greedy"));
        await _turns.EnterAsync("honest");
    }
}
