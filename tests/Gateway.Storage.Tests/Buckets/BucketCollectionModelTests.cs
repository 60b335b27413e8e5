using System.Globalization;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Interleavings of gateways and collectors of one bucket.</summary>
public sealed class BucketCollectionModelTests
{
    /// <summary>
    /// Interleavings of each of the ten parts: 10,000 together, in half a minute. <c>GATEWAY_INTERLEAVINGS=10000</c> makes it 100,000.
    /// </summary>
    private static readonly int InterleavingsOfPart =
        int.TryParse(Environment.GetEnvironmentVariable("GATEWAY_INTERLEAVINGS"), CultureInfo.InvariantCulture, out var many) ? many : 1000;

    /// <summary>Interleavings in which each bug is found. Measured: the rarest needs some thousand.</summary>
    private const int InterleavingsOfBug = 20_000;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    public void What_a_repository_links_is_never_removed(int part)
    {
        var (pushes, refused, removals) = (0, 0, 0);
        for (var seed = 0; seed < InterleavingsOfPart; seed++)
        {
            var results = CollectionModel.Run((part * InterleavingsOfPart) + seed, CollectionBug.None);
            (pushes, refused, removals) = (pushes + results.Pushes, refused + results.Refused, removals + results.Removals);
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"{pushes} pushes, {refused} refused, {removals} removals");
        // The model must reach every result often.
        Assert.True(Math.Min(pushes, Math.Min(refused, removals)) > InterleavingsOfPart / 10, $"{pushes}, {refused}, {removals}");
    }

    [Theory]
    [InlineData(CollectionBug.NoWait)]
    [InlineData(CollectionBug.NoRescue)]
    [InlineData(CollectionBug.NoSecondRead)]
    [InlineData(CollectionBug.NoFence)]
    [InlineData(CollectionBug.UnconditionalDying)]
    [InlineData(CollectionBug.Undated)]
    [InlineData(CollectionBug.DatedWhenSent)]
    [InlineData(CollectionBug.Believed)]
    [InlineData(CollectionBug.FencedLate)]
    public void Seeded_bug_is_found(CollectionBug bug)
    {
        for (var seed = 0; seed < InterleavingsOfBug; seed++)
        {
            try
            {
                CollectionModel.Run(seed, bug);
            }
            catch (Exception e) when (e is Xunit.Sdk.XunitException)
            {
                TestContext.Current.TestOutputHelper?.WriteLine($"{bug}: found by interleaving {seed}: {e.Message}");
                return;
            }
        }
        Assert.Fail($"{bug} was not found");
    }
}
