using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Interleavings of replicas that share a log.</summary>
public sealed class LogModelTests
{
    /// <summary>Interleavings of each of the ten parts: 100,000 together.</summary>
    private const int InterleavingsOfPart = 10_000;

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
    public void Acknowledged_changes_are_made_once_and_refused_ones_never(int part)
    {
        var (made, refused, unknown) = (0, 0, 0);
        for (var seed = 0; seed < InterleavingsOfPart; seed++)
        {
            var results = LogModel.Run((part * InterleavingsOfPart) + seed, SeededBug.None);
            (made, refused, unknown) = (made + results.Made, refused + results.Refused, unknown + results.Unknown);
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"{made} made, {refused} refused, {unknown} unknown");
        // The model must reach every result often.
        Assert.True(Math.Min(made, Math.Min(refused, unknown)) > InterleavingsOfPart / 100, $"{made}, {refused}, {unknown}");
    }

    [Theory]
    [InlineData(SeededBug.RepeatedETag)]
    [InlineData(SeededBug.NoLook)]
    [InlineData(SeededBug.NoExpectations)]
    [InlineData(SeededBug.OldContentUnderFreshETag)]
    [InlineData(SeededBug.BlindRetry)]
    public void Seeded_bug_is_found(SeededBug bug)
    {
        for (var seed = 0; seed < InterleavingsOfPart; seed++)
        {
            try
            {
                LogModel.Run(seed, bug);
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
