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
}
