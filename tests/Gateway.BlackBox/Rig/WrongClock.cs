namespace Gateway.BlackBox.Rig;

/// <summary>Programs whose clock is wrong, by libfaketime.</summary>
internal static class WrongClock
{
    /// <summary>The environment of a program whose clock is wrong by this much, such as "+10m"; its monotonic clock is right.</summary>
    public static IReadOnlyDictionary<string, string> By(string offset) => new Dictionary<string, string>
    {
        ["LD_PRELOAD"] = RigFolder.Program("libfaketime.so.1"), ["FAKETIME"] = offset, ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",
        // Else waits by the monotonic clock end at once, and each waiting thread uses a core (measured: 175 ticks in 4 s at rest, not 5).
        ["FAKETIME_FORCE_MONOTONIC_FIX"] = "0",
    };
}
