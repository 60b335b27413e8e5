using Gateway.Replicas;
using Xunit;

namespace Gateway.Tests.Replicas;

/// <summary>The lease of a fetch: its transitions, and every interleaving that a hundred thousand random runs reach.</summary>
public sealed class FetchLeaseTests
{
    private const int Runs = 100_000;

    private static readonly LeaseValue Mine = new(1, "a", new("http://10.0.0.1:5002"));
    private static readonly LeaseValue Other = new(2, "b", new("http://10.0.0.2:5002"));

    /// <summary>
    /// A quarter of the runs has no fault, the others have up to three. As long as only writes of Redis were lost, the model allows one
    /// request to the upstream. In a quarter of the runs no fault ends.
    /// </summary>
    [Fact]
    public void A_hundred_thousand_interleavings_fetch_once_without_faults_and_end_with_them()
    {
        var (most, states) = (0, new HashSet<int>());
        for (var seed = 0; seed < Runs; seed++)
        {
            var model = ModelOf(seed, LeaseBug.None);
            Assert.Null(model.Run());
            most = Math.Max(most, model.Gets);
            states.UnionWith(model.States);
        }
        Assert.InRange(most, 2, 9);
        TestContext.Current.TestOutputHelper?.WriteLine($"at most {most} requests to the upstream in a run; {states.Count} states");
        Assert.True(states.Count > 10_000, $"expected many states, got {states.Count}");
    }

    [Theory]
    [InlineData($"{nameof(LeaseBug.DeletesAtTheEnd)}, {nameof(LeaseBug.DoesNotProbe)}")]
    [InlineData(nameof(LeaseBug.RenewsBlindly))]
    [InlineData(nameof(LeaseBug.IgnoresLostLease))]
    [InlineData(nameof(LeaseBug.FollowersServe))]
    [InlineData(nameof(LeaseBug.WaitsForever))]
    [InlineData(nameof(LeaseBug.NeverAlone))]
    [InlineData(nameof(LeaseBug.ForgetsWatermark))]
    [InlineData(nameof(LeaseBug.DoesNotProbe))]
    public void A_seeded_bug_is_found_by_the_model(string bug)
    {
        var seeded = Enum.Parse<LeaseBug>(bug);
        Assert.Contains(Enumerable.Range(0, Runs), seed => ModelOf(seed, seeded).Run() is not null);
    }

    private static LeaseModel ModelOf(int seed, LeaseBug bug) => new(seed, faults: seed % 4, heals: seed / 4 % 4 != 0, bug);

    [Fact]
    public void Leader_whose_lease_another_replica_has_follows_it()
    {
        var lease = default(FetchLease).Granted(Mine).Renewed(Other);

        Assert.Equal((LeaseState.Follow, Other.Url), (lease.State, lease.Peer));
        Assert.False(lease.Serves);
    }

    [Fact]
    public void Leader_whose_lease_Redis_lost_goes_on_and_takes_it_again()
    {
        var lost = default(FetchLease).Granted(Mine).Renewed(null);

        Assert.Equal((LeaseState.Lead, null), (lost.State, lost.Value));
        Assert.Equal(Mine with { Fence = 3 }, lost.Granted(Mine with { Fence = 3 }).Value);
    }

    [Fact]
    public void Follower_fetches_alone_after_three_replicas_did_not_serve()
    {
        var lease = default(FetchLease);
        for (var i = 1; i < FetchLease.MostFailures; i++)
        {
            lease = lease.Held(Other).PeerFailed();
            Assert.Equal((LeaseState.Idle, Other, i), (lease.State, lease.Distrusted, lease.Failures));
        }

        Assert.Equal(LeaseState.Alone, lease.Held(Other).PeerFailed().State);
    }

    [Fact]
    public void Replica_that_fetches_alone_keeps_its_connection_when_another_one_leads()
    {
        var alone = default(FetchLease).Silent(null);

        Assert.Equal(alone, alone.Held(Other));
        Assert.Equal(LeaseState.Lead, alone.Granted(Mine).State);
    }

    [Theory]
    [InlineData("12 ab http://10.0.0.1:5002", 12, false)]
    [InlineData("12 ab http://10.0.0.1:5002 has", 12, true)]
    public void Lease_is_read_as_it_is_written(string text, long fence, bool isNote)
    {
        var value = LeaseValue.Parse(text);

        Assert.Equal(new(fence, "ab", new("http://10.0.0.1:5002"), isNote), value);
        Assert.Equal(text, value!.ToString());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("12 ab")]
    [InlineData("x ab http://10.0.0.1:5002")]
    [InlineData("12 ab http://10.0.0.1:5002 is")]
    [InlineData("12 ab http://10.0.0.1:5002 has more")]
    public void Lease_of_another_form_is_none(string? text) => Assert.Null(LeaseValue.Parse(text));
}
