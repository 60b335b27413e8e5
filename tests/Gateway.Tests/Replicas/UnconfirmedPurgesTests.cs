using Gateway.Replicas;
using Gateway.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Replicas;

/// <summary>Purges that are told again to replicas that did not confirm them.</summary>
public sealed class UnconfirmedPurgesTests
{
    private static readonly Uri Hung = new("http://10.0.0.2:5002");
    private static readonly Uri Back = new("http://10.0.0.3:5002");

    private static Members NewMembers() => new(
        new(), new(new() { Listen = new("http://10.0.0.1:5002") }), null!, TimeProvider.System, NullLogger<Members>.Instance);

    [Fact]
    public async Task Purge_that_a_replica_refuses_does_not_hold_up_its_later_ones()
    {
        using var members = NewMembers();
        var purges = new UnconfirmedPurges(members, TimeProvider.System);
        foreach (var id in new[] { "1", "2", "3" }) purges.Add(new(id, "hub", Back, DateTimeOffset.UtcNow.AddMinutes(-1), Entry: null));

        await purges.SettleAsync(purge => Task.FromResult<(string?, Told)>(
            (null, new(purge.Id == "1" ? "expected 200, got 404" : null, IsAnswered: true))));

        Assert.Equal("1", Assert.Single(purges.All).Id);
    }

    [Fact]
    public async Task Replica_that_hangs_holds_up_no_other_and_is_told_one_purge_at_a_time()
    {
        using var members = NewMembers();
        var purges = new UnconfirmedPurges(members, TimeProvider.System);
        var since = DateTimeOffset.UtcNow.AddMinutes(-1);
        foreach (var (id, replica) in new[] { ("1", Hung), ("2", Hung), ("3", Back), ("4", Back) })
            purges.Add(new(id, "hub", replica, since, Entry: null));
        var (hanging, told) = (new TaskCompletionSource(), new List<string>());

        var settling = purges.SettleAsync(async purge =>
        {
            lock (told) told.Add(purge.Id);
            if (purge.Replica == Hung) await hanging.Task;
            return (null, purge.Replica == Back ? new(null, IsAnswered: true) : new("no answer within 10 s", IsAnswered: false));
        });
        await Patience.UntilAsync(
            () => Task.FromResult(purges.All.All(each => each.Replica == Hung)), () => "the other replica has confirmed", seconds: 10);
        hanging.SetResult();
        await settling;

        Assert.Equal(["1", "3", "4"], told.Order());
        Assert.Equal(["1", "2"], purges.All.Select(each => each.Id));
        // Not before some seconds.
        await purges.SettleAsync(_ => throw new InvalidOperationException("told too early"));
    }
}
