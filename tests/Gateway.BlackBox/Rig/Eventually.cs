using System.Diagnostics;

namespace Gateway.BlackBox.Rig;

/// <summary>Waits for a condition.</summary>
internal static class Eventually
{
    /// <summary>Generous: it only ends a wait that would never end; no test asserts a time by it.</summary>
    private static TimeSpan Limit => Patience.Of(60);

    public static async Task TrueAsync(Func<Task<bool>> condition, Func<string> otherwise)
    {
        var clock = Stopwatch.StartNew();
        while (!await condition())
        {
            if (clock.Elapsed > Limit)
                Assert.Fail(otherwise());
            await Task.Delay(100);
        }
    }

    /// <summary>
    /// Asserts that one of three rounds finds no problem: for a problem that a machine which stalls for seconds causes too, and a fault of
    /// the product in every round.
    /// </summary>
    /// <param name="round">Returns the problem; empty for none.</param>
    public static async Task OnceInThreeAsync(Func<Task<string>> round)
    {
        for (var tries = 1; await round() is { Length: > 0 } problem; tries++) Assert.True(tries < 3, problem);
    }
}
